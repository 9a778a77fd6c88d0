"""Topics of an Env: produced to and consumed by a test, read and written by the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from perdure.serde import ANY


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A record of a topic; a `value` of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes | None]
    partition: int
    offset: int

    def json(self) -> Any:
        """The value, read as JSON."""
        return None if self.value is None else msgspec.json.decode(self.value)


class Broker(Protocol):
    """The broker cluster of an engine in memory."""

    records: dict[str, list[list[Any]]]

    def make(self, name: str, partition_count: int = 1) -> Any: ...

    def produce(
        self, name: str, key: bytes | None, value: bytes | None, headers: Any
    ) -> tuple[int, int]: ...


class Topic:
    """One topic; it comes into being when it is first named."""

    def __init__(
        self, broker: Broker, name: str, partitions: int, settle: Callable[[], Awaitable[None]]
    ) -> None:
        self.name = name
        self._broker = broker
        self._settle = settle
        self._consumed: dict[int, int] = {}  # by partition: the next offset
        broker.make(name, partitions)

    async def produce(
        self,
        value: Any,
        key: str | bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> None:
        """Put a record in: `str` and `bytes` as they are, None as a tombstone, all else as JSON.
        Returns when all has come to rest."""
        pairs = tuple((name, _bytes(one)) for name, one in (headers or {}).items())
        if value is None or isinstance(value, bytes):
            data = value
        else:
            data = value.encode() if isinstance(value, str) else ANY.encode(value)
        self._broker.produce(self.name, None if key is None else _bytes(key), data, pairs)
        await self._settle()

    async def consume(self) -> list[TopicRecord]:
        """The records that were not consumed before, once all has come to rest: by partition, in
        order."""
        await self._settle()
        found: list[TopicRecord] = []
        for partition, records in enumerate(self._broker.records[self.name]):
            begin = self._consumed.get(partition, 0)
            self._consumed[partition] = len(records)
            found += [
                TopicRecord(one.key, one.value, dict(one.headers), partition, one.offset)
                for one in records[begin:]
            ]
        return found


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
