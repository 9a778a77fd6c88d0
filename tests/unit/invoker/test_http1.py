"""HTTP/1.1: keep-alive, framings, and servers that break them."""

import asyncio

import pytest

from orchestrator.invoker.options import InvokerOptions
from orchestrator.model.values import Failure
from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.scripted import END, OUT
from tests.unit.invoker.scripted_http1 import Answer, Request
from tests.unit.invoker.worlds import run, scripted_http1

DONE = OUT + END


async def good(request: Request) -> None:
    request.respond(DONE)


def test_a_request_is_whole_and_the_connection_is_kept() -> None:
    async def test() -> None:
        async with scripted_http1(good) as (partition, service):
            for _ in range(3):
                assert await partition.call("Svc", "run", b"in") == b"out"
            assert service.connection_count == 1
            request = service.requests[0]
            assert request.line == "POST /invoke/Svc/run HTTP/1.1"
            assert request.headers["host"] == f"127.0.0.1:{service.port}"
            assert request.headers["content-type"] == "application/vnd.restate.invocation.v7"
            ((code, _, _), (given, _, _)) = wire.FrameReader(1 << 20).feed(request.body)
            assert (code, given) == (0x0000, 0x0400)

    run(test)


def test_one_connection_each_for_those_at_once() -> None:
    async def slow(request: Request) -> None:
        await asyncio.sleep(0.05)
        request.respond(DONE)

    async def test() -> None:
        async with scripted_http1(slow) as (partition, service):
            calls = [partition.call("Svc", "run") for _ in range(20)]
            assert await asyncio.gather(*calls) == [b"out"] * 20
            assert 10 <= service.connection_count <= 20
            await asyncio.gather(*[partition.call("Svc", "run") for _ in range(10)])
            assert service.connection_count <= 20

    run(test)


def _head(request: Request, *lines: str) -> bytes:
    kind = f"content-type: {request.headers['accept']}"
    return "\r\n".join(["HTTP/1.1 200 OK", kind, *lines, "", ""]).encode()


async def chunked(request: Request) -> None:
    request.write(_head(request, "transfer-encoding: chunked"))
    for byte in DONE:
        request.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        await asyncio.sleep(0)
    request.write(b"0\r\n\r\n")


async def until_closed(request: Request) -> None:
    request.write(_head(request, "connection: close") + DONE)
    request.close()


async def http10(request: Request) -> None:
    request.write(_head(request).replace(b"HTTP/1.1", b"HTTP/1.0") + DONE)
    request.close()


async def continued_first(request: Request) -> None:
    request.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.respond(DONE)


async def closing(request: Request) -> None:
    request.respond(DONE, "200 OK", "connection: close")


@pytest.mark.parametrize("answer", [chunked, until_closed, http10, continued_first, closing])
def test_framings_of_a_response(answer: Answer) -> None:
    async def test() -> None:
        async with scripted_http1(answer) as (partition, _):
            for _ in range(3):
                assert await partition.call("Svc", "run") == b"out"
            assert partition.failures == []

    run(test)


async def nonsense(request: Request) -> None:
    request.write(b"\x00\x01\x02 nonsense\r\n\r\n")


async def cut_head(request: Request) -> None:
    request.write(b"HTTP/1.1 200 OK\r\ncontent-")
    request.close()


async def cut_body(request: Request) -> None:
    request.write(_head(request, f"content-length: {len(DONE)}") + DONE[:10])
    request.close()


async def cut_chunk(request: Request) -> None:
    request.write(_head(request, "transfer-encoding: chunked") + b"5\r\nab")
    request.close()


async def no_answer(request: Request) -> None:
    request.close()


async def too_many_bytes(request: Request) -> None:
    request.respond(DONE)
    request.write(b"HTTP/1.1 200 OK\r\n\r\nwhat nobody asked for")


async def endless_head(request: Request) -> None:
    request.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        request.write(b"x-%d: %s\r\n" % (number, b"a" * 1000))
        await request.writer.drain()


async def endless_header(request: Request) -> None:
    request.write(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(1000):
        request.write(b"a" * 1000)
        await request.writer.drain()


async def endlessly_early(request: Request) -> None:
    for _ in range(10_000):
        request.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await request.writer.drain()


async def status_000(request: Request) -> None:
    request.write(b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n")


async def http_0_9(request: Request) -> None:
    request.write(_head(request, "content-length: 0").replace(b"HTTP/1.1", b"HTTP/0.9"))


async def upgrade(request: Request) -> None:
    request.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (nonsense, "RT0010", ""),
        (cut_head, "RT0010", ""),
        (cut_body, "RT0010", ""),
        (cut_chunk, "RT0010", ""),
        (no_answer, "RT0010", ""),
        (upgrade, "RT0010", ""),
        (status_000, "RT0012", "HTTP status 000"),
        (http_0_9, "RT0010", "HTTP/0.9"),
        (endless_head, "RT0010", "longer than"),
        (endless_header, "RT0010", "longer than"),
        (endlessly_early, "RT0010", "longer than"),
    ],
)
def test_a_broken_answer_fails_the_attempt(answer: Answer, code: str, text: str) -> None:
    async def test() -> None:
        async with scripted_http1(answer, good) as (partition, _):
            assert await partition.call("Svc", "run") == b"out"
            (failed,) = partition.failures
            assert failed.why.restate_code == code
            assert text in failed.why.message

    run(test)


def test_trailers_say_nothing_of_the_next_response() -> None:
    async def with_trailers(request: Request) -> None:
        request.write(_head(request, "transfer-encoding: chunked"))
        request.write(b"%x\r\n%s\r\n0\r\n" % (len(DONE), DONE))
        request.write(b"retry-after: 3600\r\nx-restate-server: trailer\r\n\r\n")

    async def refuses(request: Request) -> None:
        request.respond(b"", "503 Service Unavailable")

    async def test() -> None:
        async with scripted_http1(with_trailers, refuses, good) as (partition, service):
            assert await partition.call("Svc", "run") == b"out"
            assert await partition.call("Svc", "run") == b"out"
            (failed,) = partition.failures
            assert failed.why.restate_code == "RT0023" and failed.retry_count == 1
            assert service.requests[0].writer is service.requests[1].writer
            assert all(j.pin is None or j.pin.server == "" for j in partition.journals)

    run(test)


def test_a_kept_connection_takes_any_number_of_responses() -> None:
    padded = encode(wire.OutputCommand(value=b"x" * 70_000)) + END

    async def padding(request: Request) -> None:
        await asyncio.sleep(0.01)
        request.respond(padded)

    async def test() -> None:
        async with scripted_http1(padding) as (partition, service):
            partition.invoker._options = InvokerOptions(attempts_per_http1_deployment_max=1)
            calls = [partition.call("Svc", "run") for _ in range(10)]
            assert await asyncio.gather(*calls) == [b"x" * 70_000] * 10
            assert partition.failures == []
            assert len(service.requests) == 10

    run(test)


def test_bytes_after_a_response_close_the_connection() -> None:
    async def test() -> None:
        async with scripted_http1(too_many_bytes, good) as (partition, service):
            assert await partition.call("Svc", "run") == b"out"
            await asyncio.sleep(0.02)
            assert await partition.call("Svc", "run") == b"out"
            assert service.connection_count == 2

    run(test)


def test_a_kept_connection_that_the_server_gave_up_costs_nothing() -> None:
    async def test() -> None:
        async with scripted_http1(good, no_answer, good) as (partition, service):
            assert await partition.call("Svc", "run") == b"out"
            # The server closes as it gets the second request.
            assert await partition.call("Svc", "run") == b"out"
            assert partition.failures == []
            assert service.connection_count == 2

    run(test)


def test_a_failure_is_a_result() -> None:
    async def fails(request: Request) -> None:
        request.respond(encode(wire.OutputCommand(failure=wire.WireFailure(418, "tea"))) + END)

    async def test() -> None:
        async with scripted_http1(fails) as (partition, _):
            assert await partition.call("Svc", "run") == Failure(418, "tea")

    run(test)


def test_a_suspended_invocation_goes_on_with_its_journal() -> None:
    suspends = encode(wire.SleepCommand(1, 1)) + encode(wire.Suspension(wire.WireFuture(1, [1])))

    async def suspend(request: Request) -> None:
        request.respond(suspends)

    async def test() -> None:
        async with scripted_http1(suspend, good) as (partition, service):
            assert await partition.call("Svc", "run") == b"out"
            frames = wire.FrameReader(1 << 20).feed(service.requests[1].body)
            assert [code for code, _, _ in frames] == [0x0000, 0x0400, 0x040C, 0x800C]

    run(test)


def test_large_bodies() -> None:
    body = bytes(range(256)) * 8_000

    async def echo(request: Request) -> None:
        _, (_, _, given) = wire.FrameReader(1 << 30).feed(request.body)
        value = wire.decode_input(given, 8).value
        request.respond(encode(wire.OutputCommand(value=value)) + END)

    async def test() -> None:
        async with scripted_http1(echo) as (partition, _):
            assert await partition.call("Svc", "run", body) == body

    run(test)
