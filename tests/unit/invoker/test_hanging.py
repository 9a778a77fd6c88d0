"""Services that hang, refuse, or hold much: others are called all the same."""

import asyncio
from typing import Any

import msgspec
import pytest

from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.discovery import Discovery
from orchestrator.invoker import slot_queue
from orchestrator.invoker.options import InvokerOptions
from orchestrator.invoker.slot_queue import SlotWaiter
from orchestrator.invoker.sweep import PERIOD_S
from orchestrator.model.records import Signal, Suspended
from orchestrator.model.values import THEN_KILL, Failure
from orchestrator.registry.schema import RetryPolicy
from perdure import wire
from tests.unit.invoker.scripted import ScriptedService, Served
from tests.unit.invoker.test_faults import answered, good
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import QUICK, run, scripted


def test_a_hanging_service_is_asked_to_suspend_and_then_cut_off() -> None:
    async def hang(served: Served) -> None:
        await served.start()
        served.respond()
        await served.ended.wait()
        await served.was_reset.wait()

    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=100, abort_timeout_ms=150)
        async with scripted(hang, good, defaults=short) as (partition, service):
            await answered(partition)
            assert partition.failures[0].why.restate_code == "RT0001"
            assert service.requests[0].ended.is_set()
            await asyncio.wait_for(service.requests[0].was_reset.wait(), 60)

    run(test)


class _Step:
    """What a handler is in the middle of, until the test ends it."""

    def __init__(self) -> None:
        self._is_over = asyncio.Event()
        self._ended_by_itself: list[bool] = []

    async def work(self, served: Served) -> None:
        await served.start()
        served.respond()
        await self._is_over.wait()
        self._ended_by_itself.append(served.ended.is_set() and not served.was_reset.is_set())

    async def end(self) -> None:
        """Its handler was asked to suspend, and was not reset until now."""
        self._is_over.set()
        await until(lambda: bool(self._ended_by_itself))
        assert self._ended_by_itself == [True]


def test_a_handler_in_the_middle_of_a_step_may_end_it_after_the_abort_timeout() -> None:
    """It is not reset until the next attempt begins."""

    async def test() -> None:
        step = _Step()

        async def works(served: Served) -> None:
            await step.work(served)
            await served.was_reset.wait()

        retry = RetryPolicy(initial_interval_ms=1_000, factor=1.0)
        short = msgspec.structs.replace(
            QUICK, inactivity_timeout_ms=100, abort_timeout_ms=100, retry=retry
        )
        async with scripted(works, good, defaults=short) as (partition, service):
            partition.submit("Svc", "run")
            await until(lambda: bool(partition.failures))
            assert partition.failures[0].why.restate_code == "RT0001"
            await step.end()
            await until(lambda: len(service.requests) == 2)
            await asyncio.wait_for(service.requests[0].was_reset.wait(), 60)

    run(test)


def test_a_handler_may_end_its_step_though_the_abort_timeout_ended_its_invocation() -> None:
    """However short that timeout is."""

    async def test() -> None:
        step = _Step()

        once = RetryPolicy(initial_interval_ms=1, max_attempts=1, on_max_attempts=THEN_KILL)
        short = msgspec.structs.replace(
            QUICK, inactivity_timeout_ms=0, abort_timeout_ms=1, retry=once
        )
        async with scripted(step.work, defaults=short) as (partition, _):
            invocation_id = partition.submit("Svc", "run")
            outcome = await partition.result(invocation_id)
            assert isinstance(outcome, Failure) and "1 ms" in outcome.message
            await asyncio.sleep(2 * PERIOD_S)  # connections are looked after meanwhile
            await step.end()

    run(test)


def test_signals_that_others_send_do_not_keep_a_hanging_service_alive() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=200, abort_timeout_ms=200)
        async with scripted(hang, good, defaults=short) as (partition, _):
            invocation_id = partition.submit("Svc", "run")
            for number in range(1_000):
                if partition.failures:
                    break
                value = b"%d" % number
                now_ms = partition.clock.now_ms()
                partition.propose_any(Signal(invocation_id, 17 + number, "", value, now_ms))
                await asyncio.sleep(0.02)
            assert partition.failures[0].why.restate_code == "RT0001"

    run(test)


def test_a_service_that_never_answers_does_not_slow_others() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        few = InvokerOptions(attempts_max=10, attempts_per_deployment_max=2)
        async with scripted(hang, options=few) as (partition, _):
            other = await ScriptedService(good, manifest=_only("Other")).start()
            found = await Discovery(ServiceAsker(partition.clock, None, "")).discover(other.target)
            partition.register(other.target, found)
            for _ in range(20):
                partition.submit("Svc", "run")
            await asyncio.sleep(0.05)
            assert partition.invoker.running_count == 2
            await answered(partition, "Other")
            waiting = [view for view in partition.invoker.views() if not view.in_flight]
            assert len(waiting) == 18
            await other.stop()

    run(test)


def test_of_very_many_that_wait_each_begins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_queue, "HELD_MAX", 2)

    async def test() -> None:
        gate = asyncio.Event()

        async def gated(served: Served) -> None:
            await gate.wait()
            await good(served)

        few = InvokerOptions(attempts_max=2, attempts_per_deployment_max=1)
        async with scripted(*[gated] * 40, options=few) as (partition, service):
            ids = [partition.submit("Svc", "run") for _ in range(20)]
            await until(lambda: partition.invoker._slots.waiting_count == 19)
            for invocation_id in ids:  # most of them cannot be found any more, and wait twice
                incarnation = partition.row(invocation_id).incarnation
                partition.invoker.start(partition, invocation_id, incarnation)
            gate.set()
            for invocation_id in ids:
                await partition.result(invocation_id)
            await asyncio.sleep(0.05)
            assert len(service.requests) == 20
            assert not partition.invoker._slots.waiting_count

    run(test)


def test_what_waited_twice_does_not_cut_a_backoff_short() -> None:
    async def fails(served: Served) -> None:
        served.respond(status=500)

    async def test() -> None:
        slow = msgspec.structs.replace(QUICK, retry=RetryPolicy(initial_interval_ms=60_000))
        async with scripted(fails, good, defaults=slow) as (partition, service):
            invocation_id = partition.submit("Svc", "run")
            await until(lambda: partition.failures)
            row, invoker = partition.row(invocation_id), partition.invoker
            for attempt, requests in ((row.attempt - 1, 1), (row.attempt, 2)):
                waiter = SlotWaiter(
                    partition, invocation_id, row.incarnation, attempt, row.deployment
                )
                invoker._slots.wait(waiter)
                invoker._fill_slots()
                await asyncio.sleep(0.05)
                assert len(service.requests) == requests

    run(test)


def test_however_many_services_hang_one_that_answers_is_called() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        few = InvokerOptions(attempts_max=16, attempts_per_deployment_max=8)
        async with scripted(hang, options=few) as (partition, service):
            others = []
            for name in ("Two", "Three", "Four", "Five", "Good"):
                script = good if name == "Good" else hang
                others.append(await ScriptedService(script, manifest=_only(name)).start())
                found = await Discovery(ServiceAsker(partition.clock, None, "")).discover(
                    others[-1].target
                )
                partition.register(others[-1].target, found)
            for name in ("Svc", "Two", "Three", "Four", "Five"):
                for _ in range(20):
                    partition.submit(name, "run")
            await asyncio.sleep(0.5)
            assert len(service.requests) == 8, "what runs alone gets half"
            for _ in range(10):
                await answered(partition, "Good")
            assert partition.failures == []
            assert 0 < partition.invoker.running_count <= 16 + 2 * len(others)
            for other in others:
                await other.stop()

    run(test)


def test_a_connection_whose_streams_do_not_move_is_not_chosen_again() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        short = msgspec.structs.replace(QUICK, inactivity_timeout_ms=50, abort_timeout_ms=50)
        async with scripted(good, hang, good, defaults=short) as (partition, service):
            await answered(partition)
            before = len(service.connections)
            await answered(partition)
            assert [failed.why.restate_code for failed in partition.failures] == ["RT0001"]
            assert len(service.connections) == before + 1

    run(test)


def test_a_request_is_let_go_of_with_its_attempt_though_others_hang() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        async with scripted(hang, good) as (partition, _):
            partition.submit("Svc", "run")
            await asyncio.sleep(0.05)
            for _ in range(5):
                await answered(partition)
            assert len(partition.invoker._openings) == 1

    run(test)


def test_a_service_that_hangs_with_large_requests_does_not_slow_others() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        small = InvokerOptions(memory_bytes_max=600_000, memory_per_deployment_bytes_max=300_000)
        async with scripted(hang, options=small) as (partition, _):
            other = await ScriptedService(good, manifest=_only("Other")).start()
            found = await Discovery(ServiceAsker(partition.clock, None, "")).discover(other.target)
            partition.register(other.target, found)
            for _ in range(5):
                partition.submit("Svc", "run", b"x" * 400_000)
            await asyncio.sleep(0.05)
            assert partition.invoker.running_count == 1
            await answered(partition, "Other")
            assert partition.failures == []
            await other.stop()

    run(test)


def _only(name: str) -> dict[str, Any]:
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 6,
        "services": [{"name": name, "ty": "SERVICE", "handlers": [{"name": "run"}]}],
    }


def test_the_longest_idle_stream_makes_way() -> None:
    async def sleeps(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.SleepCommand(4_000_000_000_000, 1))
        await served.ended.wait()
        served.say(wire.Suspension(wire.WireFuture(completions=[1])))
        served.end()

    async def test() -> None:
        few = InvokerOptions(attempts_per_deployment_max=1)
        async with scripted(sleeps, good, options=few) as (partition, _):
            partition.submit("Svc", "run")
            await asyncio.sleep(0.05)
            begin = partition.clock.monotonic_ms()
            await answered(partition)
            assert partition.clock.monotonic_ms() - begin < 2_000
            assert any(isinstance(j.end, Suspended) for j in partition.journals)

    run(test)
