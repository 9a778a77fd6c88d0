"""Messages between the server and a SQL child: a length and msgpack, over pipes.

The server asks (`Ask`). Of what the query reads the child opens all tables at once (`Open`), then
pulls them chunk by chunk (`More`, answered with `RawRows`) and sends the answer (`Part` …,
then `AnswerDone`).
Nobody sends more than was asked for: who is slow on either side slows the other down.
"""

from typing import BinaryIO

import msgspec

LENGTH_BYTES = 4
RowPairs = list[tuple[bytes, bytes]]


PARTITION_BYTES = 2
"""Of the number of a partition, before the keys of numbered rows."""


class Ask(msgspec.Struct, tag=1, array_like=True):
    """Server to child: run this; the answer as Arrow or as JSON, there with `nulls` or without."""

    sql: str
    arrow: bool
    nulls: bool = False


class Scan(msgspec.Struct, array_like=True):
    """What a table is read from. Of `source` "rows" what `Engine.export` gives for these;
    of "numbered rows" the same, each key behind the number of its partition."""

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


class RawRows(msgspec.Struct, tag=3, array_like=True):
    """Server to child: some rows, raw as they are stored; `last` ends the scan."""

    rows: RowPairs
    last: bool


class Part(msgspec.Struct, tag=4, array_like=True):
    """Child to server: part of the answer."""

    body: bytes


class AnswerDone(msgspec.Struct, tag=5, array_like=True):
    """Child to server: the answer is complete, or could not be given (`status` is HTTP's)."""

    status: int
    message: str = ""


PipeMessage = Ask | Open | More | RawRows | Part | AnswerDone
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(PipeMessage).decode


def pack_message(message: PipeMessage) -> bytes:
    body = encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_message(stream: BinaryIO) -> PipeMessage | None:
    """The next message; None at the end of the stream."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    message: PipeMessage = decode(stream.read(int.from_bytes(head, "big")))
    return message


def write_message(stream: BinaryIO, message: PipeMessage) -> None:
    stream.write(pack_message(message))
    stream.flush()


def lane_key(partition: int, lane: int) -> bytes:
    """A lane of a partition, for what is shown beside it."""
    return partition.to_bytes(PARTITION_BYTES, "big") + lane.to_bytes(8, "big")
