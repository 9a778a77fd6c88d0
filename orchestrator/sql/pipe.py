"""Messages between the server and its SQL child: a length and msgpack, over pipes."""

from typing import BinaryIO

import msgspec

LENGTH_BYTES = 4
Pairs = list[tuple[bytes, bytes]]


class Ask(msgspec.Struct, tag=1, array_like=True):
    """Server to child: run this; the answer as Arrow or as JSON."""

    sql: str
    arrow: bool


class Need(msgspec.Struct, tag=2, array_like=True):
    """Child to server: the rows of a source; of "rows" what `Engine.export` gives for these."""

    source: str
    kinds: list[bytes]
    starts: list[bytes]


class Rows(msgspec.Struct, tag=3, array_like=True):
    """Server to child: some rows, raw as they are stored; `last` ends the source."""

    rows: Pairs
    last: bool


class Part(msgspec.Struct, tag=4, array_like=True):
    """Child to server: part of the answer."""

    body: bytes


class Done(msgspec.Struct, tag=5, array_like=True):
    """Child to server: the answer is complete, or could not be given (`status` is HTTP's)."""

    status: int
    message: str = ""


Message = Ask | Need | Rows | Part | Done
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode


def pack(message: Message) -> bytes:
    body = encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read(stream: BinaryIO) -> Message | None:
    """The next message; None at the end of the stream."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    message: Message = decode(stream.read(int.from_bytes(head, "big")))
    return message


def write(stream: BinaryIO, message: Message) -> None:
    stream.write(pack(message))
    stream.flush()
