"""Functions of AWS Lambda as deployments: the real server, the real handler, an API of our own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import perdure
from tests.parts import command_line
from tests.parts.client import fresh, http_request
from tests.parts.lambda_api import LambdaApi
from tests.parts.processes import wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:greeter:1"
ROLE = "arn:aws:iam::123456789012:role/callers"
greeter = perdure.Service("Greeter")
counter = perdure.Object("Counter")
_notes: dict[str, int] = {}


def note(name: str) -> int:
    _notes[name] = _notes.get(name, 0) + 1
    return _notes[name]


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler
async def waits(ctx: perdure.Context, name: str) -> list[int]:
    done = [await ctx.step(note, f"{name}-1")]
    await ctx.sleep(timedelta(milliseconds=20))
    done.append(await ctx.call(add, 3, key=name))
    return [*done, await ctx.step(note, f"{name}-2")]


@greeter.handler
async def large(ctx: perdure.Context, size: int) -> int:
    return len(await ctx.step(make_text, size))


def make_text(size: int) -> str:
    return "x" * size


@counter.handler
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    total = await ctx.get("total", int, 0) + amount
    ctx.set("total", total)
    return total


@pytest.fixture(scope="module")
def api() -> Iterator[LambdaApi]:
    handler = perdure.app(greeter, counter).lambda_handler()
    made = LambdaApi(handler)
    yield made
    made.close()
    handler.close()


@pytest.fixture(scope="module")
def server(api: LambdaApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PerdureServer]:
    env = {
        "PERDURE_LAMBDA_ENDPOINT": api.url,
        "AWS_ENDPOINT_URL_STS": api.url,
        "AWS_ACCESS_KEY_ID": "OWN",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    options = ServerOptions(env=env, retry_initial_interval="20ms")
    made = PerdureServer(tmp_path_factory.mktemp("lambda"), options)
    made.start()
    perdure_cli(made, "deployments", "register", ARN)
    yield made
    made.stop()


def perdure_cli(server: PerdureServer, *words: str, code: int = 0) -> str:
    done = command_line.perdure("--admin", server.admin, *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def call(server: PerdureServer, target: str, value: object) -> Any:
    sent, headers = json.dumps(value).encode(), {"content-type": "application/json"}
    answer = http_request(server.ingress, "POST", f"/{target}", sent, headers, 60)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_a_function_is_registered_and_called(api: LambdaApi, server: PerdureServer) -> None:
    (found,) = json.loads(perdure_cli(server, "deployments", "list", "--json"))
    assert (found["arn"], found.get("uri")) == (ARN, None)
    assert ARN in perdure_cli(server, "deployments", "list")
    assert call(server, "Greeter/greet", "Ann") == "Hello Ann"
    name = fresh()
    assert call(server, "Greeter/waits", name) == [1, 3, 1]
    assert set(api.called) == {ARN}
    own = [one for one in api.authorizations if "Credential=OWN/" in one]
    assert own == api.authorizations and all("/eu-west-1/lambda/" in one for one in own)
    assert call(server, "Greeter/large", 1_000_000) == 1_000_000


def test_what_the_api_refuses_is_tried_again(api: LambdaApi, server: PerdureServer) -> None:
    refused = b'{"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "busy"}'
    kind = "x-amzn-errortype"
    reported = b'{"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}'
    api.faults += [
        (429, {kind: "TooManyRequestsException", "retry-after": "0"}, refused),
        (200, {"x-amz-function-error": "Unhandled"}, reported),
        (500, {kind: "ServiceException"}, b'{"message": "later"}'),
        (200, {}, b'"no response of a service"'),
    ]
    assert call(server, "Greeter/greet", "Bob") == "Hello Bob"
    assert not api.faults
    log = server.process.log.read_text()
    assert "code=RT0023" in log
    assert "the function failed: Runtime.ExitError: exit status 1" in log
    assert "AWS Lambda refuses the call: ServiceException: later" in log
    assert "the function returned no response of a service" in log


def test_a_request_that_no_function_can_take(server: PerdureServer) -> None:
    with perdure.Client(server.ingress) as client:
        client.send("Greeter/greet", secrets.token_hex(6_000_000))  # compressed, half of it
    log = server.process.log
    wait_until(lambda: "code=RT0019" in log.read_text(), 60, "it is refused as too large")
    listed = json.loads(perdure_cli(server, "invocations", "list", "--json"))
    perdure_cli(server, "invocations", "kill", *(one["id"] for one in listed))


def test_large_requests_and_replies_are_compressed(server: PerdureServer) -> None:
    (found, *_) = json.loads(perdure_cli(server, "deployments", "list", "--json"))
    assert found["compression"] == "zstd"
    assert call(server, "Greeter/greet", "x" * 8_000_000) == "Hello " + "x" * 8_000_000


def test_a_role_is_assumed(api: LambdaApi, server: PerdureServer) -> None:
    other = ARN.removesuffix("1") + "live"
    perdure_cli(server, "deployments", "register", other, "--assume-role", ROLE)
    found = json.loads(perdure_cli(server, "deployments", "list", "--json"))
    assert [one.get("assume_role_arn") for one in found] == [None, ROLE]
    api.authorizations.clear()
    assert call(server, "Greeter/greet", "Cid") == "Hello Cid"
    assert "Credential=OFROLE/" in api.authorizations[-1]


@pytest.mark.parametrize(
    "words",
    [
        ["arn:aws:lambda:eu-west-1:123456789012:function:greeter"],
        ["arn:aws:s3:::bucket"],
        [ARN, "--assume-role", "someone"],
        ["http://127.0.0.1:1", "--assume-role", ROLE],
    ],
)
def test_bad_addresses(server: PerdureServer, words: list[str]) -> None:
    said = perdure_cli(server, "deployments", "register", *words, "--force", code=1)
    assert "Traceback" not in said and ("arn:aws" in said or "assume_role_arn" in said)


def test_a_bad_argument_is_the_callers_fault(server: PerdureServer) -> None:
    headers = {"content-type": "application/json"}
    for target in ("Greeter/large", "Counter/k/add"):
        answer = http_request(server.ingress, "POST", f"/{target}", b'"x"', headers, 60)
        assert answer.status == 400
        assert "Expected `int`, got `str`" in answer.text
