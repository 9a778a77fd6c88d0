"""Whether a failed attempt has reached its handler, and what else its record tells."""

import asyncio

import pytest

from orchestrator.model.records import Ended, Failed
from orchestrator.model.values import USUAL_OUTPUT, OutputRules
from perdure import wire
from tests.unit.invoker import samples
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import OUT, Script, Served
from tests.unit.invoker.test_faults import (
    answered,
    cut,
    error_message,
    good,
    half_a_frame,
    other_version,
    reset,
    status,
    wrong_content_type,
)
from tests.unit.invoker.worlds import run, scripted


async def hung_up(served: Served) -> None:
    """It died in the middle of a step, before it said anything."""
    await served.start()
    served.cut()


@pytest.mark.parametrize(
    ("script", "reached"),
    [
        (error_message, True),
        (half_a_frame, True),
        (reset, True),
        (cut, True),
        (hung_up, True),
        (status(404), False),
        (status(429), False),
        (status(502), False),
        (status(503), False),
        (wrong_content_type, False),
        (other_version, False),
    ],
)
def test_only_what_reached_the_handler_counts(script: Script, reached: bool) -> None:
    async def test() -> None:
        told: list[int] = []

        async def noting(served: Served) -> None:
            start, *_ = await served.start()
            assert isinstance(start, wire.Start)
            told.append(start.retry_count_since_last_stored_entry)
            served.respond()
            await served.finish()

        async with scripted(script, noting) as (partition, _):
            await answered(partition)
            assert partition.failures[0].reached is reached
            assert told == [int(reached)]

    run(test)


def test_a_refused_connection_does_not_count() -> None:
    async def test() -> None:
        async with scripted(good) as (partition, service):
            await service.stop()
            before_ms = partition.clock.now_ms()
            invocation_id = partition.submit("Svc", "run")
            failed = await _failure(partition)
            assert failed.why.restate_code == "RT0010" and not failed.reached
            assert failed.deployment and failed.started_at_ms >= before_ms
            row = partition.row(invocation_id)
            assert row.failures_since_entry == 0 and row.retry_count >= 1

    run(test)


async def _failure(partition: Partition) -> Failed:
    while not partition.failures:
        await asyncio.sleep(0.005)
    return partition.failures[0]


def test_runs_are_counted_until_they_have_a_result() -> None:
    attempt = samples.attempt()
    attempt.receive(wire.encode(wire.RunCommand(1, "a")), 5)
    attempt.receive(wire.encode(wire.RunCommand(2, "b")), 5)
    assert [record.runs for record in attempt.take()] == [2]
    attempt.receive(wire.encode(wire.ProposeRunCompletion(1, b"x")), 5)
    attempt.receive(wire.encode(wire.RunCommand(3, "c")), 5)
    attempt.receive(wire.encode(wire.ProposeRunCompletion(3, b"x")), 5)
    assert [record.runs for record in attempt.take()] == [-1]


@pytest.mark.parametrize("output", [USUAL_OUTPUT, OutputRules("text/plain"), OutputRules("", True)])
def test_a_result_is_recorded_with_its_content_type(output: OutputRules) -> None:
    attempt = samples.attempt(output=output)
    attempt.receive(OUT + wire.encode(wire.End()), 5)
    (record,) = attempt.take()
    assert isinstance(record.end, Ended)
    assert record.end.output == (None if output == USUAL_OUTPUT else output)
