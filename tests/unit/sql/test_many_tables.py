"""One query over several tables gives the right rows, however often and by however many."""

import pytest

from orchestrator.processor import streams
from orchestrator.sql.query import SqlQuery
from tests.unit.sql.many_tables import CHUNK_ITEMS, ask_often
from tests.unit.sql.world import Rows, run


def test_queries_over_several_tables_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        await ask_often(query, 8)

    monkeypatch.setattr(streams, "CHUNK_ITEMS_MAX", CHUNK_ITEMS)
    run(check)
