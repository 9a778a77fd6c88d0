"""The invoker against services that behave badly, over real sockets."""

import asyncio
from typing import Any

import msgspec
import pytest

from orchestrator.invoker.discovery import Discovery
from orchestrator.invoker.options import InvokerOptions
from orchestrator.model.records import Ended, Suspended
from orchestrator.model.values import THEN_KILL, THEN_PAUSE, THEN_RETRY, Failure
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import END, OUT, Script, ScriptedService, Served
from tests.unit.invoker.worlds import QUICK, run, scripted


async def good(served: Served) -> None:
    await served.start()
    served.respond()
    await served.finish()


async def answered(partition: Partition, service: str = "Svc", key: str = "") -> None:
    assert await partition.call(service, "run", b"in", key) == b"out"


def test_a_good_service_gets_its_request_and_its_end() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, service):
            await answered(partition)
            (served,) = service.requests
            assert served.headers[":path"] == "/invoke/Svc/run"
            assert served.headers[":method"] == "POST"
            assert served.headers["content-type"] == "application/vnd.restate.invocation.v7"
            assert served.headers["accept"] == "application/vnd.restate.invocation.v7"
            assert served.headers["x-restate-invocation-id"].startswith("inv_1")
            await served.ended.wait()
            # The half-close is an empty DATA frame, not trailers.
            assert served.data_frames[-1] == (b"", True)
            (journal,) = partition.journals
            assert journal.entries == 1 and isinstance(journal.end, Ended)
            assert partition.failures == []

    run(test)


async def half_a_frame(served: Served) -> None:
    await served.start()
    served.respond()
    served.send(OUT[:9])
    served.end()


async def no_terminal_message(served: Served) -> None:
    await served.start()
    served.respond()
    served.send(OUT)
    served.end()


async def garbage(served: Served) -> None:
    await served.start()
    served.respond()
    served.send(b"\x04\x01\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff")


async def unknown_message(served: Served) -> None:
    await served.start()
    served.respond()
    served.send(b"\x7f\x01\x00\x00\x00\x00\x00\x00")


async def wrong_content_type(served: Served) -> None:
    await served.start()
    served.respond(content_type="text/html")
    await served.finish()


async def other_version(served: Served) -> None:
    await served.start()
    served.respond(content_type="application/vnd.restate.invocation.v5")
    await served.finish()


async def reset(served: Served) -> None:
    await served.start()
    served.reset()


async def reset_after_response(served: Served) -> None:
    await served.start()
    served.respond()
    served.reset()


async def cut(served: Served) -> None:
    await served.start()
    served.respond()
    served.cut()


async def not_http2(served: Served) -> None:
    served.write_raw(b"\xff" * 64)


async def error_message(served: Served) -> None:
    await served.start()
    served.respond()
    served.say(wire.Error(500, "boom", "at x", 1, "name", 0x0411))
    await served.ended.wait()
    served.end()


async def mismatch(served: Served) -> None:
    await served.start()
    served.respond()
    served.say(wire.Error(570, "diverged"))


def status(number: int, **headers: str) -> Script:
    async def script(served: Served) -> None:
        served.respond(number, "text/plain", **headers)
        served.end()

    return script


async def too_large(served: Served) -> None:
    await served.start()
    served.respond()
    served.send(b"\x04\x01\x00\x00\x7f\xff\xff\xff")


@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        (half_a_frame, "RT0007", "in the middle of a message"),
        (no_terminal_message, "RT0007", "without an End"),
        (garbage, "RT0012", "truncated"),
        (unknown_message, "RT0012", "may not send"),
        (wrong_content_type, "RT0012", "text/html"),
        (other_version, "RT0012", "invocation.v5"),
        (reset, "RT0010", "reset by the peer: INTERNAL_ERROR"),
        (reset_after_response, "RT0010", "reset by the peer"),
        (cut, "RT0010", "connection"),
        (not_http2, "RT0010", "HTTP/2"),
        (error_message, "RT0007", "boom"),
        (mismatch, "RT0016", "diverged"),
        (too_large, "RT0003", "limit"),
        (status(500), "RT0012", "500"),
        (status(404), "RT0012", "404"),
        (status(302), "RT0012", "302"),
        (status(413), "RT0019", "413"),
        (status(415), "RT0015", "415"),
        (status(502), "RT0010", "502"),
        (status(504), "RT0010", "504"),
        (status(503), "RT0023", "503"),
        (status(429, retry_after="0"), "RT0023", "429"),
    ],
)
def test_a_bad_answer_fails_the_attempt_and_the_next_one_succeeds(
    script: Script, code: str, text: str
) -> None:
    async def test() -> None:
        async with scripted(script, good) as (partition, service):
            await answered(partition)
            (failed,) = partition.failures
            assert failed.why.restate_code == code, failed
            assert text in failed.why.message
            assert failed.then == THEN_RETRY
            assert len(service.requests) == 2

    run(test)


def test_what_came_before_a_failure_is_stored_with_it() -> None:
    async def cut_after_state(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.SetStateCommand(b"k", b"v"))
        served.send(b"\x00\x00\x00")
        served.end()

    async def reads(served: Served) -> None:
        start, *entries = await served.start()
        assert isinstance(start, wire.Start)
        assert start.known_entries == 2
        assert start.state_map == ((b"k", b"v"),)
        assert entries[1] == wire.SetStateCommand(b"k", b"v")
        served.respond()
        await served.finish()

    async def test() -> None:
        async with scripted(cut_after_state, reads) as (partition, _):
            await answered(partition, "Obj", "a")
            first = partition.journals[0]
            assert first.entries == 1 and first.end is partition.failures[0]

    run(test)


def test_an_error_names_the_command_it_comes_from() -> None:
    async def test() -> None:
        async with scripted(error_message, good) as (partition, _):
            await answered(partition)
            why = partition.failures[0].why
            assert (why.code, why.stacktrace) == (500, "at x")
            assert (why.command_index, why.command_name, why.command_type) == (1, "name", 0x0411)

    run(test)


def test_retries_end_in_a_pause_or_in_the_failure() -> None:
    async def paused() -> None:
        limited = Defaults(retry=RetryPolicy(1, 1.0, 1, 3, THEN_PAUSE))
        async with scripted(error_message, defaults=limited) as (partition, service):
            partition.submit("Svc", "run")
            while len(partition.failures) < 3:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            assert [f.then for f in partition.failures] == [THEN_RETRY, THEN_RETRY, THEN_PAUSE]
            assert len(service.requests) == 3

    async def killed() -> None:
        limited = Defaults(retry=RetryPolicy(1, 1.0, 1, 2, THEN_KILL))
        async with scripted(error_message, defaults=limited) as (partition, _):
            assert await partition.call("Svc", "run") == Failure(500, "boom")

    run(paused)
    run(killed)


def test_a_service_says_pause_or_fail() -> None:
    def says(behavior: int) -> Script:
        async def script(served: Served) -> None:
            await served.start()
            served.respond()
            served.say(wire.Error(518, "enough", behavior=behavior))

        return script

    async def test() -> None:
        async with scripted(says(2)) as (partition, _):
            assert await partition.call("Svc", "run") == Failure(518, "enough")
        async with scripted(says(1)) as (partition, _):
            partition.submit("Svc", "run")
            while not partition.failures:
                await asyncio.sleep(0.005)
            assert partition.failures[0].then == THEN_PAUSE

    run(test)


def test_a_delay_the_service_asks_for_wins() -> None:
    async def later(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.Error(500, "later", next_retry_delay=120))

    async def test() -> None:
        slow = Defaults(retry=RetryPolicy(60_000, 2.0, 60_000, 1, THEN_KILL))
        async with scripted(later, later, good, defaults=slow) as (partition, _):
            begin = partition.clock.monotonic_ms()
            await answered(partition)
            assert 230 <= partition.clock.monotonic_ms() - begin < 5_000
            assert [f.retry_count for f in partition.failures] == [0, 0]

    run(test)


def test_retry_after_wins() -> None:
    async def test() -> None:
        slow = Defaults(retry=RetryPolicy(60_000, 2.0, 60_000, 1, THEN_KILL))
        async with scripted(status(503, retry_after="1"), good, defaults=slow) as (partition, _):
            begin = partition.clock.monotonic_ms()
            await answered(partition)
            assert 900 <= partition.clock.monotonic_ms() - begin < 5_000

    run(test)


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
            await asyncio.wait_for(service.requests[0].was_reset.wait(), 5)

    run(test)


def test_a_service_that_never_answers_does_not_slow_others() -> None:
    async def hang(served: Served) -> None:
        await served.was_reset.wait()

    async def test() -> None:
        few = InvokerOptions(attempts_max=10, attempts_per_deployment_max=2)
        async with scripted(hang, options=few) as (partition, _):
            other = await ScriptedService(good, manifest=_only("Other")).start()
            found = await Discovery(partition.clock, None, "").discover(other.target)
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
                found = await Discovery(partition.clock, None, "").discover(others[-1].target)
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
            found = await Discovery(partition.clock, None, "").discover(other.target)
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


def test_refused_streams_are_tried_again_at_once_and_cost_nothing() -> None:
    async def refuse(served: Served) -> None:
        served.reset(7)

    async def test() -> None:
        async with scripted(refuse, good) as (partition, service):
            await answered(partition)
            assert partition.failures == []
            assert len(service.requests) == 2

    run(test)


def test_streams_above_the_last_one_of_a_goaway_go_elsewhere() -> None:
    async def go_away(served: Served) -> None:
        served.go_away(0)

    async def test() -> None:
        async with scripted(go_away, good) as (partition, service):
            await answered(partition)
            assert partition.failures == []
            assert len(service.connections) >= 2

    run(test)


def test_streams_of_a_connection_that_goes_away_are_finished_on_it() -> None:
    async def finish_then_close(served: Served) -> None:
        await served.start()
        served.go_away(served.id)
        await asyncio.sleep(0.05)
        served.respond()
        await served.finish()

    async def test() -> None:
        async with scripted(finish_then_close, good) as (partition, service):
            await asyncio.gather(answered(partition))
            await answered(partition)
            assert partition.failures == []
            paths = [c.streams for c in service.connections]
            assert sum(len(streams) for streams in paths) == 3

    run(test)


def test_a_reset_without_error_after_the_end_is_no_failure() -> None:
    async def end_and_reset(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(OUT + END)
        served.end()
        served.reset(0)

    async def test() -> None:
        async with scripted(end_and_reset) as (partition, _):
            for _ in range(5):
                await answered(partition)
            assert partition.failures == []

    run(test)


def test_trailers_end_a_response() -> None:
    async def with_trailers(served: Served) -> None:
        await served.start()
        served.respond()
        served.send(OUT)
        served.trailers()

    async def test() -> None:
        async with scripted(with_trailers, good) as (partition, _):
            await answered(partition)
            assert "without an End" in partition.failures[0].why.message

    run(test)


def test_a_service_that_cannot_be_reached_is_tried_until_it_can() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, service):
            await answered(partition)
            port = service.port
            await service.stop()
            pending = asyncio.ensure_future(partition.call("Svc", "run"))
            while not partition.failures:
                await asyncio.sleep(0.005)
            assert partition.failures[-1].why.restate_code == "RT0010"
            again = ScriptedService(good)
            again.port = port
            await again.start()
            assert await pending == b"out"
            await again.stop()

    run(test)


def test_the_peers_limit_of_streams_is_kept() -> None:
    async def test() -> None:
        async with scripted(good, streams_max=2) as (partition, service):
            await asyncio.gather(*(answered(partition) for _ in range(30)))
            assert partition.failures == []
            assert len(service.requests) == 30

    run(test)


def test_large_bodies_pass_in_both_directions() -> None:
    body = bytes(range(256)) * 20_000  # 5 MB

    async def echo(served: Served) -> None:
        entries = await served.start()
        given = entries[1]
        assert isinstance(given, wire.InputCommand) and given.value is not None
        served.respond()
        await served.finish(encode(wire.OutputCommand(value=given.value)))

    async def test() -> None:
        async with scripted(echo) as (partition, _):
            results = await asyncio.gather(*(partition.call("Svc", "run", body) for _ in range(4)))
            assert all(result == body for result in results)
            assert partition.failures == []

    run(test)


def test_nothing_runs_after_close() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, _):
            await answered(partition)
            partition.invoker.close()
            partition.submit("Svc", "run")
            await asyncio.sleep(0.02)
            assert partition.invoker.running_count == 0

    run(test)


@pytest.mark.parametrize("answers_first", [True, False])
def test_a_server_that_says_good_bye_and_forgets_what_it_took_costs_nothing(
    answers_first: bool,
) -> None:
    async def forgets(served: Served) -> None:
        await served.start()
        if answers_first:
            served.respond()
        served.go_away(served.id)
        await asyncio.sleep(0.02)
        served.cut()

    async def test() -> None:
        async with scripted(forgets, good) as (partition, service):
            await answered(partition)
            assert partition.failures == []
            assert len(service.requests) == 2

    run(test)
