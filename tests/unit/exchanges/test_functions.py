"""Functions of AWS Lambda carry exchanges: whole, in a bounded number of threads."""

import asyncio
import base64
import functools
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.exchanges import functions
from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.functions import (
    CallThreads,
    FunctionFailed,
    FunctionPool,
    FunctionReply,
    read_reply,
    request_event,
)
from perdure.wire import zstd

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"lambda"),
    (b":path", b"/invoke/Greeter/greet"),
    (b"content-type", b"application/x"),
]
OK = FunctionReply(200, ((b"content-type", b"application/x"),), b"answer")


def on_a_loop(test: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Receiver:
    """What a response was."""

    def __init__(self) -> None:
        self.got: list[object] = []
        self.over = asyncio.Event()

    def on_response(self, status: int, headers: HeaderLines) -> None:
        self.got.append(status)

    def on_body(self, data: bytes) -> None:
        self.got.append(data)

    def on_drained(self) -> None:
        self.got.append("room")

    def on_end(self) -> None:
        self.got.append("end")
        self.over.set()

    def on_broken(self, reason: str, untouched: bool) -> None:
        self.got.append(reason)
        self.over.set()


class Caller:
    """Calls functions that are functions of this process."""

    def __init__(self, answer: Callable[[bytes], FunctionReply]) -> None:
        self._answer = answer
        self.events: list[dict[str, Any]] = []

    def call(self, arn: str, role: str, event: bytes) -> FunctionReply:
        assert (arn, role) == ("arn:f", "arn:r")
        self.events.append(json.loads(event))
        return self._answer(event)


def pool_of(
    answer: Callable[[bytes], FunctionReply], count_max: int = 4, takes_zstd: bool = False
) -> FunctionPool:
    calls = (Caller(answer), CallThreads(count_max))
    return FunctionPool("arn:f", "arn:r", *calls, lambda: None, lambda: None, takes_zstd)


def opened(pool: FunctionPool, *chunks: bytes, ended: bool = True) -> tuple[Exchange, Receiver]:
    receiver = Receiver()
    exchange = Exchange(HEAD, list(chunks), ended, receiver)
    pool.open(exchange)
    return exchange, receiver


def fails(event: bytes) -> FunctionReply:
    raise FunctionFailed("it failed")


def breaks(event: bytes) -> FunctionReply:
    raise KeyError("library")


@on_a_loop
async def test_a_request_is_collected_and_answered_at_once() -> None:
    pool = pool_of(lambda event: OK)
    exchange, receiver = opened(pool, b"one", ended=False)
    exchange.want_room()
    await asyncio.sleep(0)
    exchange.send(b"two")
    assert receiver.got == ["room"] and not pool.is_idle
    exchange.end()
    await receiver.over.wait()
    assert receiver.got == ["room", 200, b"answer", "end"] and pool.is_idle
    (event,) = pool._caller.events  # type: ignore[attr-defined]
    assert base64.b64decode(event["body"]) == b"onetwo"
    assert (event["httpMethod"], event["path"]) == ("POST", "/invoke/Greeter/greet")
    assert event["headers"] == {"content-type": "application/x", "accept-encoding": "zstd"}


@pytest.mark.parametrize(("answer", "said"), [(fails, "it failed"), (breaks, "library")])
@on_a_loop
async def test_what_fails_breaks_the_exchange(
    answer: Callable[[bytes], FunctionReply], said: str
) -> None:
    _, receiver = opened(pool_of(answer))
    await receiver.over.wait()
    assert len(receiver.got) == 1 and said in str(receiver.got[0])


@on_a_loop
async def test_too_large_a_request_is_refused_without_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(functions, "BODY_BYTES_MAX", 10)
    pool = pool_of(fails)
    _, whole = opened(pool, b"12345678901")
    exchange, streamed = opened(pool, b"1", ended=False)
    exchange.send(b"2345678901")
    for receiver in (whole, streamed):
        await receiver.over.wait()
        assert receiver.got == [413, "end"]
    assert pool.is_idle


@on_a_loop
async def test_large_requests_are_compressed_where_the_function_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b"a journal " * 500_000
    assert len(body) > functions.BODY_BYTES_MAX
    pool = pool_of(lambda event: OK, takes_zstd=True)
    for sent in (body, b"small"):
        _, receiver = opened(pool, sent)
        await receiver.over.wait()
        assert receiver.got == [200, b"answer", "end"]
    large, small = pool._caller.events  # type: ignore[attr-defined]
    assert large["headers"]["content-encoding"] == "zstd"
    assert zstd.decompress(base64.b64decode(large["body"]), "") == body
    assert "content-encoding" not in small["headers"]
    monkeypatch.setattr(functions, "BODY_BYTES_MAX", 10)  # what does not shrink enough
    _, refused = opened(pool, body)
    await refused.over.wait()
    assert refused.got == [413, "end"]


def test_compressed_replies_are_read() -> None:
    def reply(body: bytes) -> bytes:
        said = {"statusCode": 200, "headers": {"Content-Encoding": "zstd"}}
        text = base64.b64encode(body).decode()
        return json.dumps({**said, "body": text, "isBase64Encoded": True}).encode()

    whole = zstd.compress(b"x" * 10_000)
    assert read_reply(reply(whole)).body == b"x" * 10_000
    for broken in (b"no zstd", whole[:-3], b""):
        with pytest.raises(FunctionFailed, match="zstd"):
            read_reply(reply(broken))


@on_a_loop
async def test_calls_at_once_are_bounded_and_late_answers_are_dropped() -> None:
    gate, running = threading.Semaphore(0), []

    def slow(event: bytes) -> FunctionReply:
        running.append(threading.current_thread())
        gate.acquire()
        return OK

    pool = pool_of(slow, count_max=2)
    all_of_them = [opened(pool) for _ in range(5)]
    while len(running) < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    assert len(running) == 2
    cancelled, ignored = all_of_them[0]
    cancelled.cancel()
    for _ in range(5):
        gate.release()
    for _, receiver in all_of_them[1:]:
        await receiver.over.wait()
    assert ignored.got == [] and pool.is_idle
    assert len(set(running)) == 2
    _, broken = opened(pool)
    pool.close("the server shuts down")
    assert broken.got == ["the server shuts down"]
    gate.release()


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'"text"', b'{"body": "x"}', b'{"statusCode": 200, "body": 1}']
)
def test_what_is_no_response(payload: bytes) -> None:
    with pytest.raises(FunctionFailed, match="returned no response of a service"):
        read_reply(payload)


def test_replies_are_read() -> None:
    text = json.dumps({"statusCode": 200, "headers": {"A": "b"}, "body": "é"}).encode()
    assert read_reply(text) == FunctionReply(200, ((b"a", b"b"),), "é".encode())
    assert b'"body": ""' in request_event(HEAD, b"")
