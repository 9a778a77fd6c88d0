"""What one client over HTTP/2 can take of a server: memory, time, streams, callbacks."""

import time
from contextlib import suppress

from orchestrator.ingress.options import IngressOptions
from tests.unit.ingress.h2client import Answer, Http2Client
from tests.unit.ingress.serving import Served, serving
from tests.unit.ingress.test_http1 import wait_for
from tests.unit.ingress.test_slow_clients import held_bytes


def unsent_bytes(served: Served) -> int:
    return int(served.do(lambda: served.server._shared.unsent.held_bytes))


def is_empty(served: Served) -> bool:
    shared = served.server._shared
    return (shared.in_flight, shared.streams, len(shared.open)) == (0, 0, 0)


def test_stalled_uploads_keep_nobody_out() -> None:
    options = IngressOptions(
        payload_bytes_max=300_000, uploads_bytes_max=600_000, small_upload_bytes_max=10_000
    )
    with serving(options) as served:
        with Http2Client(served.address) as stalled, Http2Client(served.address) as moving:
            streams = [stalled.begin("POST", "/Greeter/greet") for _ in range(8)]
            for stream in streams:
                stalled.send(stream, b"x" * 100_000, end=False)
            wait_for(lambda: held_bytes(served) >= 300_000)
            assert held_bytes(served) <= 650_000
            assert moving.request("POST", "/Greeter/greet", b"y" * 5_000).status == 200
            time.sleep(2.5)  # for the server to see that they do not move
            assert moving.request("POST", "/Greeter/greet", b"y" * 300_000).status == 200
            while sum(one.status == 503 for one in stalled.answers.values()) < 2:
                assert stalled.receive()
            refused = [one for one in stalled.answers.values() if one.status]
            assert all(one.headers["retry-after"] == "1" for one in refused)
            assert held_bytes(served) <= 650_000
        wait_for(lambda: is_empty(served))
        assert held_bytes(served) == 0


def test_a_body_that_trickles_is_ended() -> None:
    options = IngressOptions(body_grace_s=1, body_rate_bytes_min=1_000)
    with serving(options) as served, Http2Client(served.address) as client:
        stream = client.begin("POST", "/Greeter/greet")
        client.send(stream, b"x", end=False)
        answer = client.wait(stream)
        assert answer.status == 408 and answer.reset_code in (None, 0)
        assert client.request("GET", "/restate/health").status == 200


def test_answers_that_nobody_takes_are_bounded_and_ended() -> None:
    options = IngressOptions(unsent_bytes_max=2_000_000, request_stall_s=1)
    with serving(options) as served:
        served.engine.outcome = b"z" * 500_000
        clients = [Http2Client(served.address, takes=False) for _ in range(8)]
        seen_bytes = []
        for client in clients:
            with suppress(OSError):  # it may be ended for all that it does not take
                for _ in range(20):
                    client.begin("POST", "/Greeter/greet", end=True)
            seen_bytes.append(unsent_bytes(served))
        for _ in range(20):
            seen_bytes.append(unsent_bytes(served))
            time.sleep(0.02)
        assert 500_000 < max(seen_bytes) <= 2_000_000
        wait_for(lambda: unsent_bytes(served) == 0)  # their time is over
        with Http2Client(served.address) as other:
            assert other.request("POST", "/Greeter/greet").body == served.engine.outcome
        for client in clients:
            client.socket.close()
        wait_for(lambda: is_empty(served))


def test_small_answers_that_nobody_takes_are_ended_as_well() -> None:
    options = IngressOptions(request_stall_s=1)
    with serving(options) as served, Http2Client(served.address, takes=False) as client:
        served.engine.outcome = b"z" * 10_000
        streams = [client.begin("POST", "/Greeter/greet", end=True) for _ in range(20)]
        assert all(client.wait(stream).is_over for stream in streams)
        assert any(client.answers[stream].reset_code for stream in streams)  # no window left
        wait_for(lambda: served.server._shared.streams == 0)


def test_a_flood_of_resets_ends_the_connection_and_keeps_nobody_out() -> None:
    with serving() as served, Http2Client(served.address) as client:
        served.engine.hold = True
        try:
            for _ in range(5_000):
                stream = client.begin("POST", "/Greeter/greet", end=True)
                client.h2.reset_stream(stream)
                client.flush()
        except OSError:
            pass
        else:
            while client.receive():
                pass
        wait_for(lambda: is_empty(served))
        served.engine.hold = False
        with Http2Client(served.address) as other:
            assert other.request("GET", "/restate/health").status == 200


def test_a_flood_of_pings_ends_the_connection() -> None:
    with serving() as served, Http2Client(served.address) as client:
        ping = b"\0\0\x08\x06\0\0\0\0\0" + b"\0" * 8
        client.socket.settimeout(0.5)
        sent = 0
        try:
            for _ in range(20_000):  # and reads none of the answers
                client.socket.sendall(ping * 100)
                sent += 100
        except OSError:
            pass
        assert sent < 2_000_000
        with Http2Client(served.address) as other:
            assert other.request("GET", "/restate/health").status == 200


def test_there_are_only_so_many_streams_and_requests() -> None:
    options = IngressOptions(streams_max=4, requests_max=6)
    with serving(options) as served:
        served.engine.hold = True
        one, two = Http2Client(served.address), Http2Client(served.address)
        for client in (one, two):
            for _ in range(4):
                client.begin("POST", "/Greeter/greet", end=True)
            wait_for(lambda: served.server._shared.streams >= 4)  # those of the first come first
        while sum(answer.status == 429 for answer in two.answers.values()) < 2:
            assert two.receive()
        assert two.h2.remote_settings.max_concurrent_streams == 4
        half = Http2Client(served.address)  # heads whose bodies do not come count as well
        stream = half.begin("POST", "/Greeter/greet")
        assert half.wait(stream).status == 429
        for client in (one, two, half):
            client.socket.close()
        wait_for(lambda: is_empty(served))


def test_a_server_that_ends_says_goodbye_and_answers_first() -> None:
    with serving() as served, Http2Client(served.address) as client:
        served.engine.hold = True
        stream = client.begin("POST", "/Greeter/greet", end=True)
        wait_for(lambda: len(served.engine.invokes) == 1)
        served.do(served.server.drain)
        while client.goodbye is None:
            assert client.receive()
        assert client.goodbye == 0
        served.do(served.engine.finish, served.engine.invokes[0].id, b"done")
        assert client.wait(stream).body == b"done"
        while client.receive():
            pass
        wait_for(lambda: is_empty(served))


def test_a_server_that_ends_tells_those_that_still_wait() -> None:
    with serving() as served:
        served.engine.hold = True
        client = Http2Client(served.address)
        streams = [client.begin("POST", "/Greeter/greet", end=True) for _ in range(3)]
        wait_for(lambda: len(served.engine.invokes) == 3)
    for stream in streams:
        answer = client.wait(stream)
        assert answer.status == 500 and b"shutting down" in answer.body
    client.socket.close()


def test_an_idle_connection_is_closed() -> None:
    options = IngressOptions(keep_alive_s=1)
    with serving(options) as served, Http2Client(served.address) as client:
        assert client.request("GET", "/restate/health").status == 200
        while client.receive():
            pass
        assert client.goodbye == 0


def test_connections_that_are_too_many_are_refused_in_http1() -> None:
    options = IngressOptions(connections_max=1)
    with serving(options) as served, Http2Client(served.address) as first:
        assert first.request("GET", "/restate/health").status == 200
        refused = served.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert first.request("GET", "/restate/health").status == 200


def test_heads_that_cost_their_client_little_count_by_what_they_take() -> None:
    """A header that was sent once is one byte from then on."""
    options = IngressOptions(payload_bytes_max=100_000, uploads_bytes_max=4_000_000)
    with serving(options) as served, Http2Client(served.address) as client:
        pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "a")]
        large = [("x-large", "v" * 3_900)] * 50
        with suppress(OSError):
            for _ in range(200):
                stream = client.h2.get_next_available_stream_id()
                client.answers[stream] = Answer()
                client.h2.send_headers(stream, [*pseudo, (":path", "/Greeter/greet"), *large])
                client.flush()
        assert client.request("POST", "/Greeter/greet", b"1").status == 200
        assert sum(one.status == 503 for one in client.answers.values()) > 150
        assert 3_500_000 < held_bytes(served) <= 4_000_000
        client.socket.close()
        wait_for(lambda: is_empty(served))
        assert held_bytes(served) == 0
