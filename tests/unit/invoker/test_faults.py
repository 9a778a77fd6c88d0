"""The invoker against services that behave badly, over real sockets."""

import asyncio

import pytest

from orchestrator.model.records import Ended
from orchestrator.model.values import THEN_KILL, THEN_PAUSE, THEN_RETRY, Failure
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import OUT, Script, ScriptedService, Served
from tests.unit.invoker.worlds import run, scripted


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
            await partition.invoker.close()
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
