"""What is wrong with a user's code or a caller's request is said, with its place, to whoever can
mend it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.testing import Env
from tests.parts.processes import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


HEAD = """\
import perdure

service = perdure.Service("S")
"""
TAIL = """

app = perdure.app(service)
"""

# (the code, what is said, the line that is named)
BROKEN = [
    ("@service.handler\ndef h():\n    pass", "handler 'h' takes nothing", 5),
    ("@service.handler\nasync def h(ctx, a, b):\n    pass", "make it a dataclass", 5),
    ("@service.handler\nasync def h(ctx, *rest):\n    pass", "takes *rest", 5),
    ("@service.handler\nasync def h(ctx):\n    yield 1", "a handler returns one value", 5),
    ("@service.handler\nasync def h(ctx, a: complex):\n    pass", "complex has no JSON", 5),
    ("@service.handler\nasync def h(ctx, a: 'Nope'):\n    pass", "'Nope' is not defined", 5),
    ("@service.handler(name='a b')\nasync def h(ctx):\n    pass", "is no name of a handler", 5),
    (
        "@service.handler\nasync def h(ctx):\n    pass\n\n\n"
        "@service.handler(name='h')\nasync def again(ctx):\n    pass",
        "'S' has a handler 'h' already",
        10,
    ),
    ("other = perdure.Service('bad name')", "'bad name' is no name of a service", 5),
    ("", "'S' has no handlers", 3),
    ("other = perdure.Service('T', retrys=3)", "no option 'retrys': did you mean 'retry'?", 5),
    ("@service.handler(retrys=3)\nasync def h(ctx):\n    pass", "did you mean 'retry'?", 5),
    (
        "@service.handler\nasync def h(ctx: perdure.WorkflowContext):\n    pass",
        "handler 'h' of a service gets no WorkflowContext",
        5,
    ),
    (
        "class C(perdure.Object):\n    n: int = perdure.state(default='a')",
        "state 'n': does not fit its type: Expected `int`, got `str`",
        5,
    ),
    ("@perdure.step(retry=3)\ndef f():\n    pass", "retry is a Retry(...), not 3", 5),
    ("perdure.step('name')", "a name is given by name=", 5),
    ("perdure.app([service])", "app takes services one by one", 5),
    (
        "@service.handler\nasync def h(ctx):\n    pass\n\n\nperdure.app(service, protocol='grpc')",
        "not 'grpc'",
        10,
    ),
]


@pytest.mark.parametrize(("code", "said", "line"), BROKEN, ids=[said for _, said, _ in BROKEN])
def test_an_app_that_cannot_be_served_names_its_line(
    tmp_path: Path, code: str, said: str, line: int
) -> None:
    file = tmp_path / "app.py"
    file.write_text(f"{HEAD}\n{code}{TAIL}")
    command = [sys.executable, "-m", "perdure", str(file), "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("perdure: "), done.stderr
    assert said in done.stderr
    assert f"{file}:{line}" in done.stderr
    assert "Traceback" not in done.stderr


@dataclass
class Line:
    sku: str
    count: int


@dataclass
class Order:
    lines: list[Line]
    when: str | None = None


orders = perdure.Service("Orders")
carts = perdure.Object("Carts")


@orders.handler
async def place(ctx: perdure.Context, order: Order) -> int:
    return sum(line.count for line in order.lines)


@orders.handler(retry=perdure.Retry(max_attempts=1, on_exhausted="kill"))
async def calls(ctx: perdure.Context, target: str) -> Any:
    return await ctx.call(target, 1)


@carts.handler
async def add(ctx: perdure.ObjectContext, count: int) -> int:
    return count


# (the body, what the caller is told, the path in the value)
UNDECODABLE = [
    (b'{"lines": [{"sku": "a", "count": "x"}]}', "Expected `int`, got `str`", "$.lines[0].count"),
    (b'{"lines": [{"sku": "a"}]}', "missing required field `count`", "$.lines[0]"),
    (b'{"lines": 3}', "Expected `array`, got `int`", "$.lines"),
    (b"{", "truncated", ""),
    (b"", "body", ""),
    (b"\xff\xfe", "", ""),
]


@pytest.mark.parametrize(("body", "said", "path"), UNDECODABLE)
async def test_an_argument_that_does_not_decode_is_the_callers_fault(
    body: bytes, said: str, path: str
) -> None:
    async with Env(perdure.app(orders, carts)) as env:
        headers = {"content-type": "application/json"}
        reply = await env.engine.request("POST", "/Orders/place", headers, body)
        assert reply.status == 400, reply.body
        assert said in reply.body.decode()
        assert path in reply.body.decode()


async def test_targets_that_are_not_there() -> None:
    """A handler's call is tried again, as its target may be registered by then; a client's not."""
    async with Env(perdure.app(orders, carts)) as env:
        for target, missing in (("Nobody/h", "'Nobody'"), ("Orders/nothing", "nothing")):
            with pytest.raises(perdure.Terminal, match=missing):
                await env.client.call(calls, target)
            with pytest.raises(perdure.RequestRefused) as caught:
                await env.client.call(target, 1)
            assert caught.value.status == 404
        for target in ("no slash", "a/b/c", 5, add.__name__):
            with pytest.raises(perdure.Misuse, match=r'write "Service/handler"|is no handler'):
                await env.client.call(target, 1)  # type: ignore[call-overload]
        with pytest.raises(perdure.Misuse, match="is a handler of a key: give key="):
            await env.client.call(add, 1)
        with pytest.raises(perdure.Misuse, match="which has no keys"):
            await env.client.call(place, Order([]), key="k")
        with pytest.raises(perdure.BadValue, match="cannot be encoded"):
            await env.client.call(calls, object())  # type: ignore[arg-type]
