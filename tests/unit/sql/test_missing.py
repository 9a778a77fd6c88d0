"""Whoever cannot know says so: partitions that cannot be read, metadata that was not read yet."""

from collections.abc import Sequence

import pytest

from orchestrator.codec.keys import COMPLETED, INVOCATION, OBJECT, object_key
from orchestrator.model.ids import key_partition_key, partition_of_key, placed_key
from orchestrator.processor.port import Chunk, Unavailable
from orchestrator.processor.streams import EndedStream, LocalStream
from orchestrator.registry.metadata import NOT_READ, MetadataUnavailable
from orchestrator.registry.schema import Registry
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.sql import pipe
from orchestrator.sql.errors import QueryError
from orchestrator.sql.feeds import partitions_of
from orchestrator.sql.query import SqlQuery
from orchestrator.tables.port import Pair
from perdure.wire.ids import invocation_id_to_str
from tests.unit.sql.world import Rows, ask, filled, run, whole

IN_0, IN_1 = (placed_key(number, 2, 7) + bytes(16) for number in (0, 1))
ALL = "SELECT id FROM sys_invocation"


class TwoPartitions(Rows):
    """Everything is in the first; `gone` cannot be read, `failing` is found out only later."""

    partition_count = 2

    def __init__(self, *gone: int, failing: bool = False) -> None:
        super().__init__(filled())
        self.gone = dict.fromkeys(gone, "it is being restored")
        self.failing = failing

    def unreadable(self) -> dict[int, str]:
        return self.gone

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> LocalStream[Pair] | EndedStream[Pair]:  # type: ignore[override]
        assert partition not in self.gone
        if partition == 0:
            return super().export(partition, kinds, starts)
        answer = Unavailable("it was revoked", False) if self.failing else Chunk[Pair]([], True)
        return EndedStream[Pair](answer, LoopScheduler())


async def refusal(query: SqlQuery, sql: str) -> QueryError:
    with pytest.raises(QueryError) as refused:
        await whole(query.json(sql).parts)
    return refused.value


def test_what_cannot_be_read_at_all_is_no_empty_answer() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        for sql in (ALL, "SELECT COUNT(1) FROM state", f"{ALL} WHERE status = 'running'"):
            error = await refusal(query, sql)
            assert error.status == 503 and "it is being restored" in str(error)
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]
        assert await ask(query, "SELECT * FROM sys_service") == []

    run(check, rows=TwoPartitions(0, 1))


def test_an_answer_without_some_partitions_names_them() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        answer = query.json(ALL)
        assert len((await whole(answer.parts)).split(b'"id"')) == 6
        assert answer.missing == {1: "it is being restored"}
        other = query.json("SELECT * FROM sys_deployment")
        await whole(other.parts)
        assert other.missing == {}

    run(check, rows=TwoPartitions(1))


def test_of_an_id_only_its_partition_is_asked() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        here = query.json(f"{ALL} WHERE id = '{invocation_id_to_str(IN_0)}'")
        assert await whole(here.parts) == b'{"rows":[]}' and here.missing == {}
        there = f"{ALL} WHERE id = '{invocation_id_to_str(IN_1)}'"
        assert (await refusal(query, there)).status == 503, "nobody can say that it is not there"

    run(check, rows=TwoPartitions(1))


def test_a_partition_that_is_lost_under_a_query_ends_it() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        error = await refusal(query, ALL)
        assert error.status == 503 and "it was revoked" in str(error)
        assert await ask(query, "SELECT 1 AS one") == [{"one": 1}]

    run(check, rows=TwoPartitions(failing=True))


def test_metadata_that_was_not_read_yet_is_no_empty_table() -> None:
    def unknown() -> Registry:
        raise MetadataUnavailable(NOT_READ)

    async def check(query: SqlQuery, rows: Rows) -> None:
        query._registry = unknown
        for table in ("sys_service", "sys_deployment", "sys_journal"):
            error = await refusal(query, f"SELECT * FROM {table}")
            assert error.status == 503 and NOT_READ in str(error)
        assert len(await ask(query, ALL)) == 5

    run(check)


def test_where_ids_and_keys_live() -> None:
    def asked(kind: bytes, *starts: bytes) -> dict[int, list[bytes]]:
        return partitions_of(pipe.Scan(1, "rows", [kind], list(starts)), 2)

    assert asked(INVOCATION, b"") == {0: [b""], 1: [b""]}
    assert asked(COMPLETED, IN_1) == {1: [IN_1]}
    assert asked(INVOCATION, IN_0, IN_1) == {0: [IN_0], 1: [IN_1]}
    assert asked(INVOCATION) == {}
    key = object_key("Counter", "k")
    assert asked(OBJECT, key) == {partition_of_key(key_partition_key("k"), 2): [key]}
    for whole_service in (b"Counter\0", object_key("Counter", "")):
        assert asked(OBJECT, whole_service) == {0: [whole_service], 1: [whole_service]}
