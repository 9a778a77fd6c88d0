"""What a step costs in an attempt, in calls of functions: a limit that no load makes flaky."""

from orchestrator.invoker.attempt import Attempt
from perdure import wire
from perdure.wire import encode
from tests.parts.call_counts import calls_of
from tests.unit.invoker import samples

CALLS_MAX = 55  # of a step: a run, its result, and what the service is told of it


def _step(number: int, version: int) -> tuple[bytes, bytes, bytes]:
    run = encode(wire.RunCommand(number, "step"), version=version)
    awaiting = encode(wire.AwaitingOn(wire.WireFuture(1, [number]), True), version=version)
    result = wire.ProposeRunCompletion(number, b'"done"', None)
    return run, awaiting, encode(result, version=version, flags=wire.REQUESTED_ACK)


def _take_step(attempt: Attempt, said: tuple[bytes, ...], number: int) -> None:
    for data in said:
        attempt.receive(data, 5_000)
    (journal,) = attempt.take()
    start = len(journal.frames) - 8
    assert attempt.delivered.notify(number + 1, journal.frames[start:], number)


def test_a_step_costs_few_calls_of_functions() -> None:
    attempt = samples.attempt(samples.given(protocol=7), 7)
    first, second = _step(1, 7), _step(2, 7)
    _take_step(attempt, first, 1)  # what is made once is made
    assert calls_of(lambda: _take_step(attempt, second, 2)) <= CALLS_MAX
