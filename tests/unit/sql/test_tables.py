"""The tables are those of the real server: names, order and types of their columns."""

from orchestrator.sql.query import SqlQuery
from tests.golden.restate_tables import COLUMNS, FILE, as_text
from tests.unit.sql.world import Rows, ask, run

OURS = {"sys_dead_letter", "sys_lane", "sys_source", "sys_subscription"}


def test_columns_are_those_of_the_real_server() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        shown = await ask(query, COLUMNS)
        assert {row["table_name"] for row in shown} >= OURS
        assert as_text([row for row in shown if row["table_name"] not in OURS]) == FILE.read_text()

    run(check)


def test_the_catalog_is_called_as_there() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        for table in ("restate.public.state", "public.state", "state"):
            assert await ask(query, f"SELECT COUNT(1) AS n FROM {table}") == [{"n": 1}]

    run(check)
