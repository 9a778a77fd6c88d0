"""When a connection of HTTP/2 writes."""

from collections import Counter
from typing import Any

import ngh2

from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.http2 import STARTED_AT_ONCE
from tests.unit.invoker.wires import HEAD, Hears, Http2Peer

COUNT = 3 * STARTED_AT_ONCE + 1


def start(peer: Http2Peer) -> None:
    peer.connection.start(Exchange(HEAD, [b"abc"], False, Hears()))


def heard(peer: Http2Peer) -> Counter[Any]:
    """The events of what was written since."""
    sent, peer.wire.written = bytes(peer.wire.written), bytearray()
    if sent:
        peer.h2.receive_data(sent)
    return Counter(type(event) for event in peer.h2.events())


def test_of_many_streams_the_first_are_written_before_the_turn_ends() -> None:
    peer = Http2Peer()
    writes = []
    for _ in range(COUNT):
        start(peer)
        if peer.wire.written:
            writes.append(heard(peer))
    whole = {ngh2.RequestReceived: STARTED_AT_ONCE, ngh2.DataReceived: STARTED_AT_ONCE}
    assert writes == [whole] * 3
    peer.wire.run()
    assert heard(peer) == {ngh2.RequestReceived: 1, ngh2.DataReceived: 1}


def test_few_streams_are_written_together_at_the_end_of_the_turn() -> None:
    peer = Http2Peer()
    for _ in range(3):
        for _ in range(STARTED_AT_ONCE - 1):
            start(peer)
        assert not peer.wire.written
        peer.wire.run()
        assert heard(peer)[ngh2.RequestReceived] == STARTED_AT_ONCE - 1


def test_nothing_is_written_to_a_transport_that_is_full() -> None:
    peer = Http2Peer()
    peer.connection.pause_writing()
    for _ in range(COUNT):
        start(peer)
    peer.wire.run()
    assert not peer.wire.written
    peer.connection.resume_writing()
    peer.wire.run()
    assert heard(peer)[ngh2.RequestReceived] == COUNT


def test_streams_that_begin_as_others_are_answered_are_written_at_once() -> None:
    """As of a service that is busy: what it has answered makes room for others."""
    peer = Http2Peer()

    class Follows(Hears):
        def on_end(self) -> None:
            start(peer)

    for _ in range(STARTED_AT_ONCE):
        peer.connection.start(Exchange(HEAD, [b"abc"], False, Follows()))
    heard(peer)
    peer.wire.run()
    for stream_id in range(3, 3 + 2 * STARTED_AT_ONCE, 2):
        peer.h2.send_response(stream_id, [(b":status", b"200")], end_stream=True)
    peer.connection.data_received(peer.h2.data_to_send())
    assert heard(peer)[ngh2.RequestReceived] == STARTED_AT_ONCE
    peer.wire.run()
    assert not peer.hears.broken
