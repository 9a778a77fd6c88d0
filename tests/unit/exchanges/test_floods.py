"""Peers that say too much at once: bounded work in each callback, and an end to nonsense."""

from struct import pack

import pytest

from orchestrator.exchanges.portions import PORTION_BYTES, Portions
from tests.unit.invoker.wires import Http2Peer, Wire, h2_frame, http1_connection

READ_BYTES = 256 * 1024  # what one read brings at most

GOAWAY = h2_frame(7, 0, 0, pack(">II", 2**31 - 1, 0))
CHEAP = {  # frames that are legal any number of times
    "ping acks": h2_frame(6, 1, 0, b"12345678"),
    "windows of the connection": h2_frame(8, 0, 0, pack(">I", 1)),
    "windows of a stream": h2_frame(8, 0, 1, pack(">I", 1)),
    "one byte of data": h2_frame(0, 0, 1, b"x"),
}
NONSENSE = {
    "settings": h2_frame(4, 0, 0, b""),
    "pings": h2_frame(6, 0, 0, b"12345678"),
    "no data": h2_frame(0, 0, 1, b""),
    "goaways": GOAWAY,
}


@pytest.mark.parametrize("name", CHEAP)
def test_a_large_read_is_taken_in_portions_one_a_turn(name: str) -> None:
    peer = Http2Peer()
    frame = CHEAP[name]
    count = READ_BYTES // len(frame)
    peer.connection.data_received(frame * count)
    assert peer.wire.is_paused
    assert peer.hears.body_bytes <= PORTION_BYTES
    turns = peer.wire.run()
    assert turns >= READ_BYTES // PORTION_BYTES
    assert not peer.wire.is_paused
    assert peer.hears.body_bytes == (count if name == "one byte of data" else 0)
    assert not peer.hears.broken


@pytest.mark.parametrize("name", NONSENSE)
def test_a_flood_of_nonsense_ends_the_connection(name: str) -> None:
    peer = Http2Peer()
    frame = NONSENSE[name]
    peer.connection.data_received(frame * (READ_BYTES // len(frame)))
    peer.wire.run()
    assert peer.wire.is_closed and peer.hears.broken
    assert len(peer.wire.written) < READ_BYTES // 8, "it is not answered frame by frame"


def test_two_goaways_are_usual_and_cost_one_ping() -> None:
    peer = Http2Peer()
    peer.connection.data_received(GOAWAY * 2)
    peer.wire.run()
    assert not peer.hears.broken and not peer.connection.is_open
    assert len(peer.wire.written) == len(h2_frame(6, 0, 0, b"12345678"))


def test_chunks_of_one_byte_over_http1_are_taken_in_portions() -> None:
    wire, connection, hears = http1_connection()
    chunk = b"1\r\nx\r\n"
    count = READ_BYTES // len(chunk)
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    connection.data_received(chunk * count)
    assert wire.is_paused and hears.pieces <= PORTION_BYTES // len(chunk) + 1
    wire.run()
    assert not wire.is_paused and hears.body_bytes == count
    connection.data_received(b"0\r\n\r\n")
    assert hears.is_ended


def test_what_is_held_back_is_not_read_when_its_portions_are_done() -> None:
    taken: list[int] = []
    wire = Wire()
    portions = Portions(wire.soon.append, lambda data: taken.append(len(data)))
    portions.transport = wire  # type: ignore[assignment]
    portions.feed(b"x" * (3 * PORTION_BYTES))
    portions.hold_back(True)
    wire.run()
    assert taken == [PORTION_BYTES] * 3 and wire.is_paused
    portions.hold_back(False)
    assert not wire.is_paused


def test_what_comes_while_there_is_a_rest_keeps_its_place() -> None:
    taken = bytearray()
    wire = Wire()
    portions = Portions(wire.soon.append, lambda data: taken.extend(data))
    portions.transport = wire  # type: ignore[assignment]
    portions.feed(b"a" * (PORTION_BYTES + 1))
    assert portions.has_rest
    portions.feed(b"b")
    wire.run()
    assert bytes(taken) == b"a" * (PORTION_BYTES + 1) + b"b"
    portions.feed(b"c" * (2 * PORTION_BYTES))
    portions.close()
    wire.run()
    assert len(taken) == 2 * PORTION_BYTES + 2, "after the end the rest is dropped"


def test_a_connection_that_timed_out_an_attempt_is_not_chosen_again() -> None:
    peer = Http2Peer()
    assert peer.connection.free
    carrier = peer.exchange.carrier
    assert carrier is not None
    peer.exchange.cancel()
    carrier.retire("it did not move")
    assert not peer.connection.free and peer.wire.closed_count == 1
    peer.wire.run()
    assert peer.wire.is_closed, "nothing else is on it"
