"""What an app of this process sends: whole frames, and in them results of runs as they are to be
stored. It makes the same records as the bytes of a service elsewhere."""

import pytest
from msgspec.structs import asdict

from orchestrator.invoker.attempt import RECORD_BYTES, RECORD_EFFECTS, Attempt
from orchestrator.invoker.urgency import NOW
from orchestrator.model.records import Failed, Journal
from perdure import wire
from perdure.wire import codes, encode
from tests.parts.call_counts import calls_of
from tests.unit.invoker import samples

CALLS_MAX = 19  # of a step: a run and its result, its record, and what the service is told of it


def _run(number: int, name: str = "step") -> bytes:
    return encode(wire.RunCommand(number, name))


def _result(number: int, value: bytes = b"1") -> bytes:
    return wire.completion_value(codes.RUN_COMPLETION, number, value)


def _proposed(number: int, value: bytes, version: int) -> bytes:
    message = wire.ProposeRunCompletion(number, value)
    flags = wire.REQUESTED_ACK if version >= 7 else 0
    return encode(message, version=version, flags=flags)


def _as_bytes(frames: list[bytes], version: int) -> bytes:
    """The same as a service elsewhere says it."""
    said = []
    for frame in frames:
        if frame[:2] == codes.RUN_COMPLETION.to_bytes(2, "big"):
            m = wire.decode_notification(codes.RUN_COMPLETION, frame, wire.HEADER_BYTES)
            frame = _proposed(m.completion_id, m.value or b"", version)
        said.append(frame)
    return b"".join(said)


FLUSHES = {
    "a step": [[_run(1), _result(1)]],
    "two steps in turn": [[_run(1), _result(1)], [_run(2), _result(2, b"")]],
    "steps side by side": [[_run(1), _run(2), _result(1)], [_result(2)]],
    "one of them later": [[_run(1), _run(2)], [_result(2), _result(1)]],
    "a result and the next run": [[_run(1)], [_result(1), _run(2)]],
    "large numbers": [[_run(127), _result(127)], [_run(128), _result(128)], [_run(0x4000)]],
    "large values": [[_run(1), _result(1, b"v" * 126)], [_run(2), _result(2, b"v" * RECORD_BYTES)]],
    "no name": [[_run(1, ""), _result(1)]],
    "the end": [[_run(1), _result(1)], [encode(wire.OutputCommand(b"1")), encode(wire.End())]],
}


@pytest.mark.parametrize("version", [6, 7])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("flushes", FLUSHES.values(), ids=FLUSHES)
def test_the_records_are_those_of_the_same_messages(
    flushes: list[list[bytes]], together: bool, version: int
) -> None:
    whole, cut = (samples.attempt(samples.given(protocol=version), version) for _ in range(2))
    found: tuple[list[Journal], list[Journal]] = ([], [])
    for frames in flushes:
        wants = whole.receive(list(frames), 5_000)
        assert wants == cut.receive(_as_bytes(frames, version), 5_000)
        if not together:
            found[0].extend(whole.take())
            found[1].extend(cut.take())
    found[0].extend(whole.take())
    found[1].extend(cut.take())
    assert found[0] == found[1] and any(one.frames for one in found[0])
    assert asdict(whole.delivered) == asdict(cut.delivered) and whole.over == cut.over


@pytest.mark.parametrize(
    "frames",
    [
        [_run(1), _result(1), _result(1)],
        [_run(1), _run(2), wire.completion_void(codes.RUN_COMPLETION, 0)],
        [_run(0), _result(1)],
        [_run(1), wire.completion_value(codes.CALL_COMPLETION, 1, b"1")],
    ],
)
def test_what_is_not_as_it_should_be_fails_the_attempt(frames: list[bytes]) -> None:
    attempt = samples.attempt()
    assert attempt.receive(frames, 5_000) == NOW and attempt.over and attempt.refused
    assert isinstance(attempt.end, Failed) and attempt.end.why.restate_code == "RT0012"


def test_a_result_comes_once_in_all() -> None:
    attempt = samples.attempt()
    attempt.receive([_run(1), _result(1)], 5_000)
    attempt.take()
    attempt.receive([_run(1), _result(1)], 5_000)
    assert attempt.over and attempt.refused


def test_a_service_elsewhere_only_proposes() -> None:
    attempt = samples.attempt()
    attempt.receive(_run(1) + _result(1), 5_000)
    assert attempt.over and attempt.refused


def test_records_stay_bounded() -> None:
    attempt = samples.attempt()
    for number in range(1, 2 * RECORD_EFFECTS + 1):
        attempt.receive([_run(number), _result(number)], 5_000)
    records = attempt.take()
    assert len(records) > 1 and max(len(one.effects) for one in records) <= RECORD_EFFECTS


def test_a_stored_failure_is_one() -> None:
    attempt = samples.attempt()
    failure = wire.completion_failure(codes.RUN_COMPLETION, 1, wire.WireFailure(500, "no"))
    attempt.receive([_run(1), failure], 5_000)
    (record,) = attempt.take()
    assert [effect.failed for effect in record.effects] == [True]  # type: ignore[union-attr]


def test_a_step_costs_few_calls_of_functions() -> None:
    attempt = samples.attempt()

    def step(number: int) -> None:
        attempt.receive([_run(number), _result(number)], 5_000)
        attempt.take()
        assert attempt.delivered.acknowledges(2 * number, number)

    step(1)  # what is made once is made
    frames = [_run(2), _result(2)]

    def measured(attempt: Attempt) -> None:
        attempt.receive(frames, 5_000)
        attempt.take()
        attempt.delivered.acknowledges(4, 2)

    assert calls_of(lambda: measured(attempt)) <= CALLS_MAX
