"""Rows of several partitions on their way to the SQL process."""

import asyncio
from collections.abc import Callable

from orchestrator.processor.port import Chunk, Unavailable
from orchestrator.sql.feeds import TOGETHER_BYTES, StoredRows
from orchestrator.tables.port import Pair


class Given:
    """A stream of chunks; the last ends it."""

    def __init__(self, *chunks: list[Pair]) -> None:
        self._left = list(chunks)

    def pull(self, on_chunk: Callable[[Chunk[Pair] | Unavailable], None]) -> None:
        items = self._left.pop(0)
        on_chunk(Chunk(items, not self._left))

    def cancel(self) -> None:
        pass


def taken(*streams: Given, numbered: bool = False) -> list[list[bytes]]:
    """The keys of each answer."""

    async def main() -> list[list[bytes]]:
        rows = StoredRows(list(enumerate(streams)), numbered)
        answers = []
        while True:
            given = await rows.more()
            answers.append([key for key, _ in given.rows])
            if given.last:
                return answers

    return asyncio.run(main())


def test_few_rows_of_many_partitions_come_in_one_answer() -> None:
    streams = [Given([(b"%d" % number, b"x")]) for number in range(24)]
    assert taken(*streams) == [[b"%d" % number for number in range(24)]]
    assert taken(Given([]), Given([]), Given([(b"a", b"")])) == [[b"a"]]
    assert taken() == [[]]


def test_many_rows_come_in_answers_of_a_bounded_size() -> None:
    large = b"x" * TOGETHER_BYTES
    first = Given([(b"a", large)], [(b"b", large)])
    assert taken(first, Given([(b"c", large)]), Given([(b"d", b"")])) == [
        [b"a"],
        [b"b"],
        [b"c"],
        [b"d"],
    ]


def test_keys_are_numbered_by_their_partition() -> None:
    assert taken(Given([(b"a", b"")]), Given([(b"a", b"")]), numbered=True) == [
        [b"\0\0a", b"\0\1a"]
    ]
