"""The stamp of a store: which log, and which record of it, its rows stand for."""

import msgspec

from orchestrator.codec.records import UNREADABLE
from orchestrator.store.port import DurableStore, Store, StoreOfAnotherVersion, Writes

STAMP_KEY = b"\x00stamp"  # below every table's prefix
STAMP_VERSION = 1
STAMP_VERSION_MAX = 31  # of any version to come: what begins with another byte is damaged


class Stamp(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """`applied` is the offset after the last message; `last_hash` that message's hash."""

    log_identity: bytes = b""
    partition: int = -1
    applied: int = 0
    last_offset: int = -1
    last_hash: bytes = b""


_PREFIX = bytes([STAMP_VERSION])
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stamp).decode


def read_stamp(store: Store) -> Stamp | None:
    """The stamp; an unwritten one of a store without, None if it is damaged.

    Raises `StoreOfAnotherVersion` for a stamp that this version does not know.
    """
    value = store.get(STAMP_KEY)
    if value is None:
        return Stamp()
    if value[:1] != _PREFIX:
        if value and value[0] <= STAMP_VERSION_MAX:
            raise StoreOfAnotherVersion(f"its stamp is of version {value[0]}")
        return None
    try:
        return _decode(value[1:])
    except msgspec.ValidationError as error:
        raise StoreOfAnotherVersion(f"its stamp has another shape: {error}") from None
    except UNREADABLE:
        return None


class StampedStore:
    """A store that writes `stamp` in the batch of the rows it stands for."""

    __slots__ = ("get", "inner", "keys", "scan", "stamp")

    def __init__(self, inner: DurableStore, stamp: Stamp) -> None:
        self.inner = inner
        self.stamp = stamp
        self.get = inner.get
        self.scan = inner.scan
        self.keys = inner.keys

    def write(self, writes: Writes) -> None:
        self.inner.write([*writes, (STAMP_KEY, _PREFIX + _encode(self.stamp))])

    def checkpoint(self, name: str) -> None:
        self.inner.checkpoint(name)

    def flush(self) -> None:
        self.inner.flush()

    def backlog(self) -> int:
        return self.inner.backlog()

    def close(self) -> None:
        self.inner.close()
