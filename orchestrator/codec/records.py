"""Messages of the log: a version byte and a msgpack array of records."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from orchestrator.model.records import AnyRecord

ENVELOPE_VERSION = 1
HASH_BYTES: Final = 16
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that it did not write: text is only looked at as it is decoded."""

_PREFIX = bytes([ENVELOPE_VERSION])
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[AnyRecord]).decode


class UndecodableMessage(Exception):
    """A message this version cannot read: the partition stops and keeps its data."""


def encode_message(records: Sequence[AnyRecord]) -> bytes:
    """One message of the log."""
    return _PREFIX + _encode(records)


def decode_message(message: bytes) -> list[AnyRecord]:
    """The records of a message, or UndecodableMessage: unknown version, kind or surplus field."""
    if message[:1] != _PREFIX:
        raise UndecodableMessage(f"envelope version {message[:1].hex() or 'none'} is not known")
    try:
        return _decode(memoryview(message)[1:])
    except UNREADABLE as error:
        raise UndecodableMessage(str(error)) from None


def message_hash(message: bytes) -> bytes:
    """What a store or checkpoint remembers of the last message it stands for."""
    return hashlib.blake2b(message, digest_size=HASH_BYTES).digest()
