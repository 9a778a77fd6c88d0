"""Messages between the server and a SQL child: a length and msgpack, over pipes.

The server asks (`Ask`). Of what the query reads the child opens all tables at once (`Open`), then
pulls them chunk by chunk (`More`, answered with `Rows`) and sends the answer (`Part` …, `Done`).
Nobody sends more than was asked for: who is slow on either side slows the other down.
"""

from typing import BinaryIO

import msgspec

LENGTH_BYTES = 4
Pairs = list[tuple[bytes, bytes]]


class Ask(msgspec.Struct, tag=1, array_like=True):
    """Server to child: run this; the answer as Arrow or as JSON."""

    sql: str
    arrow: bool


class Scan(msgspec.Struct, array_like=True):
    """What a table is read from. Of `source` "rows" what `Engine.export` gives for these."""

    number: int  # never used twice by a child
    source: str
    kinds: list[bytes]
    starts: list[bytes]


class Open(msgspec.Struct, tag=2, array_like=True):
    """Child to server: these are going to be pulled; as of now."""

    scans: list[Scan]


class More(msgspec.Struct, tag=6, array_like=True):
    """Child to server: the next rows of an open scan."""

    number: int


class Rows(msgspec.Struct, tag=3, array_like=True):
    """Server to child: some rows, raw as they are stored; `last` ends the scan."""

    rows: Pairs
    last: bool


class Part(msgspec.Struct, tag=4, array_like=True):
    """Child to server: part of the answer."""

    body: bytes


class Done(msgspec.Struct, tag=5, array_like=True):
    """Child to server: the answer is complete, or could not be given (`status` is HTTP's)."""

    status: int
    message: str = ""


Message = Ask | Open | More | Rows | Part | Done
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
