"""Both clients, by one table of stories: what they ask, what they read, what they ask again."""

import asyncio
import inspect
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from perdure.client import places
from perdure.client.aio import AsyncClient
from perdure.client.sync import Client
from perdure.errors import Misuse, NotReady, RequestRefused, Terminal
from perdure.retry import Retry
from perdure.service import Object, Service, Workflow
from tests.sdk.unit.scripted_ingress import Asked, Reply, ScriptedIngress, scripted_ingress

JSON = {"content-type": "application/json"}
FAST = Retry(initial=timedelta(milliseconds=1), factor=1.0, max_attempts=4)
FAILED = {"x-restate-error-source": "invocation", **JSON}


@dataclass
class Item:
    sku: str


cart = Object("Cart")
greeter = Service("Greeter")
flow = Workflow("Flow")


@cart.handler
async def add(ctx: Any, item: Item) -> list[Item]:
    return [item]


@greeter.handler
def hello(ctx: Any) -> str:
    return ""


@greeter.handler(name="raw")
async def raw(ctx: Any, data: bytes) -> bytes:
    return data


@flow.run
async def go(ctx: Any, count: int) -> int:
    return count


class Both:
    """The two clients as one: each method is called, and awaited where it has to be."""

    def __init__(self, client: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self._client, self._loop = client, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*args: Any, **kw: Any) -> Any:
            result = found(*args, **kw)
            if inspect.isawaitable(result) and inspect.iscoroutine(result):
                assert self._loop is not None
                result = self._loop.run_until_complete(result)
            plain = isinstance(result, int | str | bytes | list | dict | Item | None)
            return result if plain else Both(result, self._loop)

        return call


@pytest.fixture
def place() -> Iterator[ScriptedIngress]:
    with scripted_ingress() as found:
        yield found


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    made: list[Both] = []
    loop = asyncio.new_event_loop() if request.param == "async" else None

    def start(url: str, **options: Any) -> Any:
        options.setdefault("retry", FAST)
        client = AsyncClient(url, **options) if loop else Client(url, **options)
        made.append(Both(client, loop))
        return made[-1]

    yield start
    for one in made:
        one.close()
    if loop is not None:
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()


def test_a_call_is_typed_by_its_handler(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url, token="t", headers={"x-a": "b"})
    place.reply = lambda asked: (200, JSON, b'[{"sku":"s"}]')
    assert client.call(add, Item("ö"), key="a/b c", headers={"x-c": "d"}) == [Item("s")]
    (asked,) = place.asked
    assert (asked.method, asked.path) == ("POST", "/Cart/a%2Fb%20c/add")
    assert json.loads(asked.body) == {"sku": "ö"}
    assert asked.headers["authorization"] == "Bearer t"
    assert (asked.headers["x-a"], asked.headers["x-c"]) == ("b", "d")
    assert asked.headers["content-type"] == "application/json"
    assert len(asked.headers["idempotency-key"]) > 20


def test_no_argument_and_bytes(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = lambda asked: (200, JSON, b'"hi"')
    assert client.call(hello) == "hi"
    assert place.asked[0].body == b"" and "content-type" not in place.asked[0].headers
    place.reply = lambda asked: (200, {"content-type": "application/octet-stream"}, asked.body)
    assert client.call(raw, b"\x00\xff") == b"\x00\xff"
    assert place.asked[1].headers["content-type"] == "application/octet-stream"


def test_a_call_by_name(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = lambda asked: (200, JSON, b'{"sku":"s"}')
    assert client.call("Any/h", {"a": 1}) == {"sku": "s"}
    assert client.call("Any/h", [1], key="k", returns=Item) == Item("s")
    assert place.asked[1].path == "/Any/k/h"
    place.reply = lambda asked: (200, {"content-type": "application/octet-stream"}, b"\x01")
    assert client.call("Any/h") == b"\x01"


def test_a_chunked_answer_is_read(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    chunks = b'3\r\n"ab\r\n2;x=y\r\nc"\r\n0\r\n\r\n'
    place.reply = lambda asked: (200, {"transfer-encoding": "chunked", **JSON}, chunks)
    assert client.call(hello) == "abc"
    assert client.call(hello) == "abc"  # on the same connection


def test_a_failed_invocation_is_not_called_again(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    body = json.dumps({"code": 503, "message": "no", "metadata": {"a": "b"}}).encode()
    place.reply = lambda asked: (503, FAILED, body)
    with pytest.raises(Terminal) as caught:
        client.call(hello)
    assert (caught.value.code, caught.value.message) == (503, "no")
    assert caught.value.metadata == {"a": "b"}
    assert len(place.asked) == 1


def _flaky(bad: Reply, times: int) -> Callable[[Asked], Reply]:
    left = [times]

    def reply(asked: Asked) -> Reply:
        left[0] -= 1
        return bad if left[0] >= 0 else (200, JSON, b'"ok"')

    return reply


@pytest.mark.parametrize("bad", [(503, JSON, b'{"message":"busy"}'), None])
def test_what_may_be_asked_again_is(place: ScriptedIngress, make: Any, bad: Reply) -> None:
    client = make(place.url)
    place.reply = _flaky(bad, 3)
    assert client.call(hello) == "ok"
    keys = {asked.headers["idempotency-key"] for asked in place.asked}
    assert len(place.asked) == 4 and len(keys) == 1
    place.reply = _flaky(bad, 4)
    with pytest.raises((RequestRefused, ConnectionError)):
        client.call(hello)


def test_what_may_run_twice_is_not_asked_again(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = _flaky(None, 1)
    with pytest.raises(ConnectionError):
        client.call(go, 1, key="k")  # a workflow's run takes no idempotency key
    with_none = make(place.url, retry=Retry(max_attempts=1))
    place.reply = _flaky((503, JSON, b""), 1)
    with pytest.raises(RequestRefused) as caught:
        with_none.call(hello)
    assert caught.value.status == 503
    assert "idempotency-key" not in place.asked[-1].headers
    place.asked.clear()
    place.reply = _flaky(None, 1)
    with pytest.raises(ConnectionError):
        client.call("Any/h")  # nobody knows whether it takes a key
    place.reply = _flaky(None, 1)
    assert client.call("Any/h", idempotency_key="mine") == "ok"


def test_no_server(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = make(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(ConnectionError, match="no connection to"):
            client.call(go, 1, key="k")
        monkeypatch.setattr(places, "_ADMIN_PORT", free.getsockname()[1])
        with pytest.raises(ConnectionError, match=r"where the admin API usually is .*admin_url="):
            make("http://127.0.0.1:8080").handle("inv_1").cancel()


def test_a_send_has_a_handle(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url, admin_url=place.url)
    place.reply = lambda asked: (202, JSON, b'{"invocationId":"inv_1","status":"Accepted"}')
    handle = client.send(add, Item("a"), key="k", delay=timedelta(seconds=1.5))
    assert place.asked[0].path == "/Cart/k/add/send?delay=1500ms"
    assert (handle.id, handle.is_new) == ("inv_1", True)
    place.reply = lambda asked: (
        200,
        JSON,
        b'{"invocationId":"inv_1","status":"PreviouslyAccepted"}',
    )
    assert not client.send(add, Item("a"), key="k").is_new
    del place.asked[1:]
    place.reply = lambda asked: (200, JSON, b'[{"sku":"s"}]')
    for read in (handle.result, handle.attach, handle.output):
        assert read() == [Item("s")]
    assert handle.status() == "succeeded"
    paths = [asked.path for asked in place.asked[1:]]
    assert paths == [
        "/restate/invocation/inv_1/" + what for what in ("attach", "attach", "output", "output")
    ]
    place.reply = lambda asked: (470, JSON, b'{"message":"not ready"}')
    assert handle.status() == "running"
    with pytest.raises(NotReady):
        handle.output()
    place.reply = lambda asked: (500, FAILED, b'{"message":"x","code":500}')
    assert handle.status() == "failed"
    place.reply = lambda asked: (404, {"x-restate-error-source": "ingress"}, b"{}")
    assert handle.status() == "unknown"
    place.reply = lambda asked: (202, {}, b"")
    handle.cancel()
    assert (place.asked[-1].method, place.asked[-1].path) == ("PATCH", "/invocations/inv_1/cancel")
    assert client.handle("inv_2", list[Item]).id == "inv_2"


def test_what_ran_under_an_idempotency_key(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = lambda asked: (200, JSON, b'[{"sku":"s"}]')
    handle = client.invocation_of(add, key="a/b", idempotency_key="i 1")
    assert handle.result() == handle.attach() == handle.output() == [Item("s")]
    assert handle.status() == "succeeded"
    assert {asked.path.rpartition("/")[0] for asked in place.asked} == {
        "/restate/invocation/Cart/a%2Fb/add/i%201"
    }
    by_name = client.invocation_of("A/h", idempotency_key="i", returns=list[Item])
    assert by_name.output() == [Item("s")]
    assert place.asked[-1].path == "/restate/invocation/A/h/i/output"
    place.reply = lambda asked: (200, JSON, b'{"invocationId":"inv_7"}')
    assert handle.lookup().id == by_name.lookup().id == "inv_7"
    assert {asked.path for asked in place.asked[-2:]} == {"/restate/lookup"}
    named = {"target": "idempotentInvocation", "idempotencyKey": "i 1"}
    named |= {"service": "Cart", "key": "a/b", "handler": "add"}
    assert json.loads(place.asked[-2].body) == named
    assert "key" not in json.loads(place.asked[-1].body)
    for ask, said in (
        (lambda: client.invocation_of(add, idempotency_key="i"), "give key="),
        (lambda: client.invocation_of("A/h", idempotency_key=""), "is not empty"),
    ):
        with pytest.raises(Misuse, match=said):
            ask()


def test_a_scope_and_a_limit_key(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = lambda asked: (200, JSON, b'[{"sku":"s"}]')
    client.call(add, Item("a"), key="k", scope="tenant/1", limit_key="u1")
    assert place.asked[-1].path == "/restate/scope/tenant%2F1/call/Cart/k/add"
    assert place.asked[-1].headers["x-restate-limit-key"] == "u1"
    place.reply = lambda asked: (202, JSON, b'{"invocationId":"inv_1"}')
    client.send(add, Item("a"), key="k", scope="t", delay=timedelta(seconds=1))
    assert place.asked[-1].path == "/restate/scope/t/send/Cart/k/add?delay=1000ms"


@pytest.mark.parametrize("named", [flow, go, "Flow/go"])
def test_a_workflow(place: ScriptedIngress, make: Any, named: Any) -> None:
    client = make(place.url)
    workflow = client.workflow(named, "k")
    place.reply = lambda asked: (503, {}, b"")
    with pytest.raises(RequestRefused):
        workflow.submit(7)
    assert len(place.asked) == 4  # a workflow that is sent again is the same one
    place.reply = lambda asked: (202, JSON, b'{"invocationId":"inv_1"}')
    assert workflow.submit(7).id == "inv_1"
    assert place.asked[-1].path == "/Flow/k/go/send"
    assert "idempotency-key" not in place.asked[-1].headers
    place.reply = lambda asked: (200, JSON, b"7")
    assert workflow.attach() == 7
    assert workflow.output() == 7
    assert place.asked[-1].path == "/restate/workflow/Flow/k/output"
    assert workflow.status() == "succeeded"
    place.reply = lambda asked: (200, JSON, b'{"invocationId":"inv_7"}')
    assert workflow.lookup().id == workflow.lookup().lookup().id == "inv_7"
    assert json.loads(place.asked[-1].body) == {
        "target": "workflow",
        "workflowName": "Flow",
        "workflowKey": "k",
    }


def test_awakeables(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    place.reply = lambda asked: (202, {}, b"")
    client.awakeable("sign_1x").resolve({"a": 1})
    client.awakeable("sign_1x").reject("nö")
    resolved, rejected = place.asked
    assert (resolved.path, resolved.body) == ("/restate/awakeables/sign_1x/resolve", b'{"a":1}')
    assert resolved.headers["content-type"] == "application/json"
    assert (rejected.path, rejected.body) == (
        "/restate/awakeables/sign_1x/reject",
        "nö".encode(),
    )


def test_the_time_is_limited(place: ScriptedIngress, make: Any) -> None:
    done = threading.Event()
    client = make(place.url)
    place.reply = lambda asked: done.wait(10) and None
    for timeout in (timedelta(milliseconds=50), 0.05):
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
            client.call(hello, timeout=timeout)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        client.handle("inv_1").attach(timeout=0.05)
    done.set()


def test_misuse_is_refused_before_it_is_sent(place: ScriptedIngress, make: Any) -> None:
    client = make(place.url)
    for ask, said in (
        (lambda: client.call(add, Item("a")), "give key="),
        (lambda: client.call(hello, key="k"), "has no keys"),
        (lambda: client.call(hello, 1), "takes no argument"),
        (lambda: client.call(go, 1, key="k", idempotency_key="i"), "takes no idempotency key"),
        (lambda: client.call("nothing"), "names no handler"),
        (lambda: client.call(hello, timeout="5"), "or seconds"),
        (lambda: client.call(print), "is no handler"),
        (lambda: client.call(add, Item("a"), key=""), "a key is not empty"),
        (lambda: client.workflow(cart, "k"), "no workflow"),
        (lambda: client.handle("inv_1").cancel(), "admin_url='http://127.0.0.1:9070'"),
        (lambda: make("ftp://x"), "is no URL"),
    ):
        with pytest.raises(Misuse, match=said):
            ask()
    with pytest.raises(Misuse, match="header"):
        client.call("A/h", headers={"x": "a\r\nb: c"})
    assert place.asked == []
