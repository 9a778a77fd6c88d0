"""Records of `<cluster>.ledger`: the last row of a lane that has left the engine. Pure.

Key: the number of the lane. Value: a version byte and [identity of the log, number of the row].
Kept on users' brokers: never change a version's form.
"""

from collections.abc import Collection
from typing import Final

import msgspec

LEDGER_VERSION: Final = 1

_PREFIX: Final = bytes([LEDGER_VERSION])
_KEY_BYTES: Final = 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, int]).decode


class UnreadableLedger(Exception):
    """A record that this version did not write and cannot read."""


class ForeignEntry(Exception):
    """A record that another log has written: `identity`."""

    def __init__(self, identity: bytes) -> None:
        super().__init__(identity.hex())
        self.identity = identity


def ledger_key(lane: int) -> bytes:
    return lane.to_bytes(_KEY_BYTES, "big")


def ledger_value(identity: bytes, number: int) -> bytes:
    return _PREFIX + _encode((identity, number))


def read_entry(identity: bytes, key: bytes | None, value: bytes | None) -> tuple[int, int]:
    """(lane, number of its last row); raises UnreadableLedger, ForeignEntry."""
    if key is None or len(key) != _KEY_BYTES or value is None or value[:1] != _PREFIX:
        raise UnreadableLedger(f"no entry of version {LEDGER_VERSION}")
    try:
        written_by, number = _decode(memoryview(value)[1:])
    except msgspec.MsgspecError as error:
        raise UnreadableLedger(str(error)) from None
    if written_by != identity:
        raise ForeignEntry(written_by)
    return int.from_bytes(key, "big"), number


def note_entry(
    identity: bytes,
    taken_over: Collection[bytes],
    key: bytes | None,
    value: bytes | None,
    last: dict[int, int],
) -> None:
    """Note in `last` which row of its lane left last. An entry of a log that was taken over says
    nothing of the lanes of this one. Raises UnreadableLedger, ForeignEntry."""
    try:
        lane, number = read_entry(identity, key, value)
    except ForeignEntry as foreign:
        if foreign.identity not in taken_over:
            raise
        return
    last[lane] = max(number, last.get(lane, 0))
