"""One query over several tables gives the right rows, however often and by however many."""

from orchestrator.sql.query import SqlQuery
from tests.unit.sql.many_tables import ask_often
from tests.unit.sql.world import Rows, run


def test_queries_over_several_tables_are_right() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        await ask_often(query, 10)

    run(check)
