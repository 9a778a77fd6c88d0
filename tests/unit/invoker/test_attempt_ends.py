"""How attempts end: errors and their retries, messages that are not allowed, any bytes."""

import itertools

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from orchestrator.invoker.urgency import NOTHING
from orchestrator.model import effects
from orchestrator.model.limits import FAILURE_STACKTRACE_CHARS_MAX
from orchestrator.model.records import Ended, Failed, Journal
from orchestrator.model.values import THEN_KILL, THEN_PAUSE, THEN_RETRY, Failure
from orchestrator.registry.schema import RetryPolicy
from perdure import wire
from perdure.wire import Message, codes, encode
from tests.unit.invoker import samples
from tests.unit.invoker.test_attempt import NOW_MS, failure, one, say


def test_an_error_is_tried_again_by_the_policy() -> None:
    attempt = samples.attempt(samples.given(retry_count=2))
    say(attempt, wire.Error(500, "boom", "trace", 3, "cmd", codes.RUN))
    failed = failure(attempt)
    assert failed.then == THEN_RETRY
    assert (failed.retry_count, failed.retry_at_ms) == (3, NOW_MS + 2_000)
    why = failed.why
    assert (why.code, why.message, why.stacktrace, why.restate_code) == (
        500,
        "boom",
        "trace",
        "RT0007",
    )
    assert (why.command_index, why.command_name, why.command_type) == (3, "cmd", codes.RUN)
    assert attempt.failed is failed and not attempt.refused


def test_a_mismatch_has_its_own_code() -> None:
    attempt = samples.attempt()
    say(attempt, wire.Error(codes.JOURNAL_MISMATCH, "x"))
    assert failure(attempt).why.restate_code == "RT0016"


def test_next_retry_delay_wins_and_uses_no_attempt_up() -> None:
    attempt = samples.attempt(samples.given(retry_count=69))
    say(attempt, wire.Error(500, next_retry_delay=70))
    failed = failure(attempt)
    assert (failed.then, failed.retry_count, failed.retry_at_ms) == (THEN_RETRY, 69, NOW_MS + 70)


def test_exhausted_retries_pause() -> None:
    attempt = samples.attempt(samples.given(retry_count=69))
    say(attempt, wire.Error(500))
    assert failure(attempt).then == THEN_PAUSE


@pytest.mark.parametrize(
    ("version", "behavior", "then"),
    [
        (7, codes.BEHAVIOR_RETRY, THEN_RETRY),
        (7, codes.BEHAVIOR_PAUSE, THEN_PAUSE),
        (7, codes.BEHAVIOR_FAIL, THEN_KILL),
        (6, codes.BEHAVIOR_FAIL, THEN_RETRY),
        (5, codes.BEHAVIOR_PAUSE, THEN_RETRY),
    ],
)
def test_behavior_counts_from_v7_on(version: int, behavior: int, then: int) -> None:
    attempt = samples.attempt(protocol=version)
    # Written as V7 does, whatever was agreed on.
    attempt.receive(encode(wire.Error(500, behavior=behavior), version=7), NOW_MS)
    assert failure(attempt).then == then


def test_a_long_error_is_cut() -> None:
    attempt = samples.attempt()
    say(attempt, wire.Error(500, "m" * 100_000, "s" * 100_000))
    why = failure(attempt).why
    assert len(why.message) == 32 * 1024
    assert len(why.stacktrace) == FAILURE_STACKTRACE_CHARS_MAX


def test_a_failure_keeps_what_was_said_before() -> None:
    attempt = samples.object_attempt()
    say(attempt, wire.SetStateCommand(b"k", b"v"))
    attempt.fail("RT0010", "lost", 9_000)
    journal = one(attempt)
    assert journal.entries == 1 and journal.now_ms == 9_000
    assert isinstance(journal.end, Failed) and journal.end.why.at_ms == 9_000


def test_a_response_that_ends_early_is_an_error() -> None:
    attempt = samples.attempt()
    attempt.ended(NOW_MS)
    failed = failure(attempt)
    assert failed.why.code == 500 and "without an End" in failed.why.message


def test_a_discarded_attempt_says_nothing() -> None:
    attempt = samples.object_attempt()
    say(attempt, wire.SetStateCommand(b"k", b"v"))
    attempt.discard()
    assert attempt.take() == []
    assert say(attempt, wire.End()) == NOTHING
    assert attempt.take() == []


def test_what_follows_the_end_means_nothing() -> None:
    attempt = samples.attempt()
    say(
        attempt,
        wire.OutputCommand(value=b"1"),
        wire.End(),
        wire.OutputCommand(value=b"2"),
        wire.Error(500),
    )
    journal = one(attempt)
    assert journal.entries == 1 and journal.end == Ended()
    assert say(attempt, wire.SleepCommand(1, 1)) == NOTHING


@pytest.mark.parametrize(
    "message",
    [
        wire.Start(b"x", "x", 1),
        wire.InputCommand(),
        wire.CommandAck(1),
        wire.ProposeRunCompletionAck(1),
        wire.Notification(codes.SLEEP_COMPLETION, 1, void=True),
        wire.Notification(codes.SIGNAL_NOTIFICATION, signal=1, void=True),
    ],
)
def test_messages_a_service_may_not_send(message: Message) -> None:
    attempt = samples.attempt()
    say(attempt, message)
    failed = failure(attempt)
    assert failed.why.restate_code == "RT0012" and "may not send" in failed.why.message
    assert failed.then == THEN_RETRY and attempt.refused


@pytest.mark.parametrize("code", [0x0008, 0x040F, 0x0415, 0xFC00, 0xFFFF])
def test_messages_nobody_knows(code: int) -> None:
    attempt = samples.attempt()
    attempt.receive(wire.frame(code, b""), NOW_MS)
    assert failure(attempt).why.restate_code == "RT0012"


def test_awaiting_on_is_for_v7() -> None:
    waiting = wire.AwaitingOn(wire.WireFuture(1, [1]), True)
    attempt = samples.attempt()
    assert say(attempt, waiting) == NOTHING
    assert not attempt.over and attempt.take() == []
    older = samples.attempt(protocol=6)
    say(older, waiting)
    assert older.failed is not None


def test_a_message_at_the_limit_is_refused_as_soon_as_it_announces_itself() -> None:
    attempt = samples.attempt(payload_bytes_max=100)
    attempt.receive(wire.frame(codes.OUTPUT, b"\x72\x61\x0a\x5f" + b"x" * 95), NOW_MS)
    assert attempt.failed is None
    good = encode(wire.RunCommand(1))
    attempt.receive(good + b"\x04\x01\x00\x00\x00\x00\x00\x64", NOW_MS)
    journal = one(attempt)
    assert journal.entries == 2
    assert isinstance(journal.end, Failed) and journal.end.why.restate_code == "RT0003"


def test_policies_are_those_of_the_handler() -> None:
    policy = RetryPolicy(max_attempts=1, on_max_attempts=THEN_KILL)
    attempt = samples.attempt(policy=policy)
    say(attempt, wire.Error(418, "x"))
    assert failure(attempt).then == THEN_KILL


SCRIPT = b"".join(
    encode(m)
    for m in (
        wire.GetEagerStateCommand(b"k", b"old"),
        wire.SetStateCommand(b"k", b"x" * 300),
        wire.RunCommand(1, "a"),
        wire.AwaitingOn(wire.WireFuture(1, [1]), True),
        wire.ProposeRunCompletion(1, value=b"r"),
        wire.CallCommand("Obj", "run", b"parameter", 2, 3, key="k"),
        wire.OneWayCallCommand("Svc", "run", b"p", 4),
        wire.SleepCommand(77, 5),
        wire.OutputCommand(failure=wire.WireFailure(409, "no")),
        wire.End(),
    )
)


@forall(cuts=st.lists(st.integers(0, len(SCRIPT)), max_size=12), flush=st.booleans())
def test_however_the_bytes_are_cut_the_same_is_recorded(cuts: list[int], flush: bool) -> None:
    whole = samples.object_attempt()
    whole.receive(SCRIPT, NOW_MS)
    expected = one(whole)

    attempt = samples.object_attempt()
    journals: list[Journal] = []
    places = [0, *sorted(cuts), len(SCRIPT)]
    for start, end in itertools.pairwise(places):
        attempt.receive(SCRIPT[start:end], NOW_MS)
        if flush:
            journals += attempt.take()
    journals += attempt.take()
    assert b"".join(j.frames for j in journals) == expected.frames
    assert sum(j.entries for j in journals) == expected.entries
    assert sum(j.commands for j in journals) == expected.commands
    assert [type(e) for j in journals for e in j.effects] == [type(e) for e in expected.effects]
    assert [_spelled(j, e) for j in journals for e in j.effects] == [
        _spelled(expected, e) for e in expected.effects
    ]
    assert [j.end for j in journals if j.end is not None] == [Ended()]
    assert sum(j.pin is not None for j in journals) == 1


def _spelled(journal: Journal, effect: effects.AnyEffect) -> bytes | Failure | None:
    """What an effect says, wherever it stands."""
    if isinstance(effect, effects.SetOutput) and effect.failure is not None:
        return effect.failure
    if isinstance(effect, effects.SetState | effects.RunResult | effects.Call):
        return journal.frames[effect.start : effect.end]
    return None


@forall(data=st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    attempt = samples.object_attempt()
    attempt.receive(data, NOW_MS)
    attempt.ended(NOW_MS)
    journals = attempt.take()
    assert journals[-1].end is not None


@forall(
    code=st.sampled_from([*range(8), *range(0x0400, 0x0415), 0x8011]),
    payload=st.binary(max_size=60),
)
def test_no_payload_breaks_it(code: int, payload: bytes) -> None:
    attempt = samples.object_attempt()
    attempt.receive(wire.frame(code, payload), NOW_MS)
    attempt.ended(NOW_MS)
    assert attempt.take()[-1].end is not None
