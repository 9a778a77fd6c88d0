"""What one query reads of this server, handed out as the child pulls it.

All scans of a query are opened together, so that its tables are of one moment. Partitions that
cannot be asked then are named (`missing`); if none of those it needs can, there is no answer.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Protocol

import orjson

from orchestrator.codec import keys
from orchestrator.intake.views import LookAtSubscriptions
from orchestrator.model.ids import (
    INVOCATION_ID_BYTES,
    key_partition_key,
    partition_of,
    partition_of_key,
)
from orchestrator.outbox.port import LaneView
from orchestrator.processor.asking import answer_to
from orchestrator.processor.port import Chunk, Engine, Stream, Unavailable
from orchestrator.registry.metadata import MetadataUnavailable
from orchestrator.registry.schema import Registry
from orchestrator.sql import pipe, registry_rows
from orchestrator.sql.errors import STATUS_UNAVAILABLE, QueryError
from orchestrator.tables.port import Pair

DOCUMENTS_AT_ONCE = 500
TOGETHER_BYTES = 256 << 10  # of whole partitions in one answer, before the last of them
_BY_ID = (keys.INVOCATION, keys.COMPLETED, keys.INPUT, keys.CHUNK)


class LiveViews(NamedTuple):
    """What is in no row: attempts that run (fields, with the `id`), how sources stand, and lanes to
    topics, by partition and lane."""

    attempts: Callable[[], Iterable[dict[str, object]]]
    subscriptions: LookAtSubscriptions
    lanes: Callable[[], Mapping[tuple[int, int], LaneView]] = dict


class RowFeed(Protocol):
    """One scan."""

    async def more(self) -> pipe.RawRows: ...

    def close(self) -> None: ...


class Feeds:
    """The scans of one query. Raises QueryError where rows cannot be had."""

    def __init__(self, engine: Engine, registry: Callable[[], Registry], views: LiveViews) -> None:
        self.missing: dict[int, str] = {}  # partitions whose rows are not in the answer, and why
        self._engine = engine
        self._registry = registry
        self._views = views
        self._open: dict[int, RowFeed] = {}

    def open(self, scans: list[pipe.Scan]) -> None:
        for scan in scans:
            self._open[scan.number] = self._feed(scan)

    async def more(self, number: int) -> pipe.RawRows:
        """The next rows of an open scan."""
        return await self._open[number].more()

    def close(self) -> None:
        for feed in self._open.values():
            feed.close()
        self._open.clear()

    def _feed(self, scan: pipe.Scan) -> RowFeed:
        if scan.source == "rows":
            return self._stored(scan)
        if scan.source == "numbered rows":
            return self._stored(scan, numbered=True)
        if scan.source == "attempts":
            return Documents(_by_id(self._views.attempts()))
        if scan.source == "lanes":
            return Documents(registry_rows.beside_lanes(self._views.lanes()))
        if scan.source in ("subscriptions", "sources"):
            return self._topics(scan.source)
        documents = _DOCUMENTS[scan.source]
        return Documents((b"", row) for row in documents(self._known()))

    def _known(self) -> Registry:
        try:
            return self._registry()
        except MetadataUnavailable as error:
            raise QueryError(STATUS_UNAVAILABLE, str(error)) from None

    def _topics(self, source: str) -> RowFeed:
        registry, look = self._known(), self._views.subscriptions

        async def rows() -> Iterable[Pair]:
            views = await look()
            if source == "sources":
                return registry_rows.beside_sources(registry, views)
            return ((b"", row) for row in registry_rows.subscriptions(registry, views))

        return LateDocuments(rows)

    def _stored(self, scan: pipe.Scan, numbered: bool = False) -> RowFeed:
        engine = self._engine
        wanted = partitions_of(scan, engine.partition_count)
        unreadable = engine.unreadable()
        gone = {number: unreadable[number] for number in wanted if number in unreadable}
        if gone and len(gone) == len(wanted):
            number, reason = next(iter(gone.items()))
            raise QueryError(
                STATUS_UNAVAILABLE, f"no rows can be read now: partition {number}: {reason}"
            )
        self.missing |= gone
        return StoredRows(
            [
                (number, engine.export(number, scan.kinds, starts))
                for number, starts in wanted.items()
                if number not in gone
            ],
            numbered,
        )


_DOCUMENTS = {
    "services": registry_rows.services,
    "deployments": registry_rows.deployments,
}


class Documents:
    """Rows that this process holds in memory."""

    def __init__(self, rows: Iterable[Pair]) -> None:
        self._rows = iter(rows)

    async def more(self) -> pipe.RawRows:
        some = list(islice(self._rows, DOCUMENTS_AT_ONCE))
        return pipe.RawRows(some, len(some) < DOCUMENTS_AT_ONCE)

    def close(self) -> None:
        pass


class LateDocuments:
    """Rows that are asked for when the first of them are pulled."""

    def __init__(self, ask: Callable[[], Awaitable[Iterable[Pair]]]) -> None:
        self._ask = ask
        self._given: Documents | None = None

    async def more(self) -> pipe.RawRows:
        if self._given is None:
            self._given = Documents(await self._ask())
        return await self._given.more()

    def close(self) -> None:
        pass


class StoredRows:
    """Raw rows, partition after partition; `numbered`: each key begins with its number.

    Few rows of many partitions go together: each answer costs a turn of both processes.
    """

    def __init__(self, streams: list[tuple[int, Stream[Pair]]], numbered: bool) -> None:
        self._streams = streams
        self._numbered = numbered

    async def more(self) -> pipe.RawRows:
        together: list[Pair] = []
        room = TOGETHER_BYTES
        while self._streams and room > 0:
            number, stream = self._streams[0]
            given: Chunk[Pair] | Unavailable = await answer_to(stream.pull)
            if isinstance(given, Unavailable):
                raise QueryError(
                    STATUS_UNAVAILABLE, f"partition {number} became unreadable: {given.reason}"
                )
            items = given.items
            if self._numbered:
                before = number.to_bytes(pipe.PARTITION_BYTES, "big")
                items = [(before + raw, value) for raw, value in items]
            together += items
            if not given.last:
                break
            del self._streams[0]
            room -= sum(len(value) for _, value in items)
        return pipe.RawRows(together, not self._streams)

    def close(self) -> None:
        for _, stream in self._streams:
            stream.cancel()


def partitions_of(scan: pipe.Scan, partition_count: int) -> dict[int, list[bytes]]:
    """The starts to be looked for in each partition: all in all, but for whole ids and keys."""
    found: dict[int, list[bytes]] = {}
    for start in scan.starts:
        for number in _homes(scan.kinds, start, partition_count):
            found.setdefault(number, []).append(start)
    return dict(sorted(found.items()))


def _homes(kinds: list[bytes], start: bytes, partition_count: int) -> Iterable[int]:
    if kinds[0] in _BY_ID:
        if len(start) == INVOCATION_ID_BYTES:
            return (partition_of(start, partition_count),)
    elif b"\0" in start and not start.endswith(b"\0"):
        _, key, _ = keys.parse_object_key(start)
        return (partition_of_key(key_partition_key(key), partition_count),)
    return range(partition_count)


def _by_id(views: Iterable[dict[str, object]]) -> Iterator[Pair]:
    for view in views:
        key = view.pop("id")
        assert isinstance(key, bytes)
        yield key, orjson.dumps(view)
