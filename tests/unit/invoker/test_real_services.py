"""The invoker with the published SDKs: TypeScript over HTTP/2, Python over either version."""

import asyncio
import json
from collections.abc import Iterator

import msgspec
import pytest

from orchestrator.exchanges.signing import parse_signer
from orchestrator.invoker.options import InvokerOptions
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Cancel, Ended, Suspended
from orchestrator.model.values import Failure
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from perdure import wire
from perdure.wire import invocation_id_to_str
from tests.parts.python_services import PythonServices
from tests.parts.typescript_services import TypeScriptServices
from tests.unit.exchanges.test_signing import KEY_ID, PEM
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.worlds import QUICK, real, run

Services = TypeScriptServices | PythonServices
MODES = {
    "streaming": QUICK,
    "suspending": msgspec.structs.replace(QUICK, inactivity_timeout_ms=0),
    "lazy": msgspec.structs.replace(QUICK, lazy_state=True),
}


def _start(kind: str, signing_key: str | None = None) -> Services:
    if kind == "typescript":
        return TypeScriptServices(signing_key=signing_key).start()
    return PythonServices(kind, signing_key=signing_key).start()


@pytest.fixture(scope="module", params=["typescript", "hypercorn", "uvicorn"])
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    started = _start(request.param)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def typescript() -> Iterator[Services]:
    started = _start("typescript")
    yield started
    started.stop()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def _call(
    partition: Partition, service: str, handler: str, value: object = None, key: str = ""
) -> object:
    body = b"" if value is None else _json(value)
    outcome = await partition.call(service, handler, body, key)
    assert isinstance(outcome, bytes), outcome
    return json.loads(outcome) if outcome else None


async def _everything(partition: Partition) -> None:
    assert await _call(partition, "TestUtilsService", "echo", "hi") == "hi"
    assert await _call(partition, "TestUtilsService", "countExecutedSideEffects", 3) is not None
    assert await _call(partition, "Counter", "add", 5, "a") == {"oldValue": 0, "newValue": 5}
    assert await _call(partition, "Counter", "add", 6, "a") == {"oldValue": 5, "newValue": 11}
    assert await _call(partition, "Counter", "get", None, "a") == 11
    through = {
        "serviceName": "Counter",
        "virtualObjectKey": "a",
        "handlerName": "add",
        "message": list(b"4"),
    }
    result = await _call(partition, "Proxy", "call", through)
    assert isinstance(result, list)
    assert json.loads(bytes(result)) == {"oldValue": 11, "newValue": 15}
    failed = await partition.call(
        "Failing", "terminallyFailingCall", _json({"errorMessage": "boom"}), "f"
    )
    assert isinstance(failed, Failure) and "boom" in failed.message
    await _call(partition, "MapObject", "set", {"key": "k1", "value": "v1"}, "m")
    await _call(partition, "MapObject", "set", {"key": "k2", "value": "v2"}, "m")
    assert await _call(partition, "MapObject", "get", "k1", "m") == "v1"
    assert await _call(partition, "MapObject", "clearAll", None, "m") == [
        {"key": "k1", "value": "v1"},
        {"key": "k2", "value": "v2"},
    ]


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("mode", MODES)
def test_calls_state_runs_and_failures(services: Services, mode: str, version: int) -> None:
    async def test() -> None:
        options = InvokerOptions(protocol_max=version)
        async with real(services.uri, services.use_http_11, options, MODES[mode]) as partition:
            await _everything(partition)
            assert partition.failures == []
            pins = {j.pin.protocol for j in partition.journals if j.pin is not None}
            assert pins == {version}

    run(test)


def test_eventual_success_after_failures(services: Services) -> None:
    async def test() -> None:
        async with real(services.uri, services.use_http_11) as partition:
            done = await _call(partition, "Failing", "failingCallWithEventualSuccess", None, "e")
            assert done == 4
            assert [f.why.restate_code for f in partition.failures] == ["RT0007"] * 3

    run(test)


def test_headers_reach_the_handler(services: Services) -> None:
    async def test() -> None:
        async with real(services.uri, services.use_http_11) as partition:
            headers = (("content-type", "application/json"), ("x-mine", "1"))
            invocation_id = partition.submit("TestUtilsService", "echoHeaders", headers=headers)
            outcome = await partition.result(invocation_id)
            assert isinstance(outcome, bytes) and json.loads(outcome)["x-mine"] == "1"

    run(test)


def test_large_values(services: Services) -> None:
    async def test() -> None:
        async with real(services.uri, services.use_http_11) as partition:
            text = "x" * 3_000_000
            assert await _call(partition, "TestUtilsService", "echo", text) == text

    run(test)


def test_an_idle_stream_suspends_and_goes_on(typescript: Services) -> None:
    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=100)
        async with real(typescript.uri, defaults=short) as partition:
            invocation_id = partition.submit("AwakeableHolder", "hasAwakeable", b"", "h")
            assert await partition.result(invocation_id) == b"false"
            command = {"type": "sleep", "timeoutMillis": 600}
            wait = {"commands": [{"type": "awaitOne", "command": command}]}
            begin = partition.clock.monotonic_ms()
            await _call(
                partition, "VirtualObjectCommandInterpreter", "interpretCommands", wait, "i"
            )
            assert 600 <= partition.clock.monotonic_ms() - begin < 3_000
            ends = [j.end for j in partition.journals if j.end is not None]
            assert any(isinstance(end, Suspended) for end in ends)
            assert partition.failures == []

    run(test)


def test_a_cancelled_call_ends_the_caller(typescript: Services) -> None:
    async def test() -> None:
        async with real(typescript.uri) as partition:
            name = "CancelTestRunner"
            handlers = partition.registry.services[name].handlers
            assert "startTest" in handlers
            caller = partition.submit(name, "startTest", _json("CALL"), "c")
            await asyncio.sleep(0.3)
            partition.propose_any(Cancel(caller, partition.clock.now_ms()))
            await partition.result(caller)
            assert await _call(partition, name, "verifyTest", None, "c") is True

    run(test)


def test_a_service_that_dies_is_tried_until_it_is_back() -> None:
    async def test() -> None:
        own = TypeScriptServices().start()
        defaults = Defaults(retry=RetryPolicy(20, 1.5, 200, None))
        try:
            async with real(own.uri, defaults=defaults) as partition:
                await _call(partition, "Counter", "add", 1, "a")
                own.kill()
                pending = [
                    asyncio.ensure_future(_call(partition, "Counter", "add", 1, "a"))
                    for _ in range(5)
                ]
                await asyncio.sleep(0.3)
                assert partition.failures[-1].why.restate_code == "RT0010"
                await asyncio.to_thread(own.restart)
                results = await asyncio.gather(*pending)
                assert sorted(r["newValue"] for r in results) == [2, 3, 4, 5, 6]  # type: ignore[index]
        finally:
            own.stop()

    run(test)


@pytest.mark.parametrize("kind", ["typescript", "hypercorn", "uvicorn"])
def test_signed_requests_are_taken_and_unsigned_ones_are_not(kind: str) -> None:
    async def test() -> None:
        own = _start(kind, KEY_ID)
        try:
            async with real(own.uri, own.use_http_11, signer=parse_signer(PEM)) as partition:
                assert await _call(partition, "TestUtilsService", "echo", "hi") == "hi"
                assert await _call(partition, "Counter", "add", 1, "a/b c") is not None
                assert partition.failures == []
                registry = partition.registry
            unsigned = Partition(None, Defaults(retry=RetryPolicy(1, 1.0, 1, 1)))
            unsigned.registry = registry
            unsigned.submit("TestUtilsService", "echo", b'"x"')
            while not unsigned.failures:
                await asyncio.sleep(0.01)
            assert "401" in unsigned.failures[0].why.message
            await unsigned.invoker.close()
        finally:
            own.stop()

    run(test)


def test_many_at_once(services: Services) -> None:
    async def test() -> None:
        async with real(services.uri, services.use_http_11) as partition:
            calls = [_call(partition, "TestUtilsService", "echo", str(n)) for n in range(300)]
            assert await asyncio.gather(*calls) == [str(n) for n in range(300)]
            assert partition.failures == []
            assert partition.invoker.running_count == 0

    run(test)


def test_the_journal_of_a_step(typescript: Services) -> None:
    async def test() -> None:
        async with real(typescript.uri) as partition:
            invocation_id = partition.submit("TestUtilsService", "countExecutedSideEffects", b"2")
            assert await partition.result(invocation_id) == b"2"
            frames = b"".join(j.frames for j in partition.journals)
            names = [wire.ENTRY_NAMES[code] for code, _, _, _ in wire.split(frames)]
            assert names == ["Command: Run", "Notification: Run"] * 2 + ["Command: Output"]
            assert isinstance(partition.journals[-1].end, Ended)
            assert len(partition.journals) == 3

    run(test)


def test_the_service_sees_the_id_of_its_invocation(typescript: Services) -> None:
    async def test() -> None:
        async with real(typescript.uri) as partition:
            found = partition.registry.handler("TestUtilsService", "echo")
            assert found is not None
            invocation_id = partition.submit("TestUtilsService", "echo", b'"x"')
            await partition.result(invocation_id)
            done = partition.state.completed.get(invocation_id)
            assert done is not None and isinstance(done.invoke, Invoke)
            assert invocation_id_to_str(done.invoke.id).startswith("inv_1")
            assert done.server.startswith("restate-sdk-typescript/")

    run(test)
