"""One attempt as a state machine: sequences of messages, and the records that come of them."""

import msgspec
import pytest

from orchestrator.invoker.attempt import RECORD_BYTES, RECORD_EFFECTS, Attempt
from orchestrator.invoker.urgency import LATER, NOW, SOON
from orchestrator.model import effects
from orchestrator.model.records import Ended, Failed, Journal, Pin, Suspended
from orchestrator.model.values import THEN_PAUSE, Future
from perdure import wire
from perdure.wire import FrameReader, Message, codes, decode_frame, encode
from tests.unit.invoker import samples

NOW_MS = 5_000
_ID = wire.invocation_id_to_str(samples.OWN_ID)


def say(attempt: Attempt, *messages: Message, flags: int = 0) -> int:
    data = b"".join(encode(m, version=attempt.protocol, flags=flags) for m in messages)
    return attempt.receive(data, NOW_MS)


def one(attempt: Attempt) -> Journal:
    (journal,) = attempt.take()
    return journal


def failure(attempt: Attempt) -> Failed:
    end = one(attempt).end
    assert isinstance(end, Failed)
    return end


def value(journal: Journal, effect: effects.AnyEffect) -> bytes:
    assert not isinstance(effect, effects.ClearAllState)
    return journal.frames[effect.start : effect.end]  # type: ignore[union-attr]


def messages(data: bytes) -> list[Message]:
    return [decode_frame(code, frame) for code, _, frame in FrameReader(1 << 30).feed(data)]


# --- to the service ---


@pytest.mark.parametrize("version", [5, 6, 7])
def test_start_and_input(version: int) -> None:
    what = samples.given(
        deployment="dp_1",
        protocol=version,
        entries=4,
        failures_since_entry=3,
        trying_since_ms=4_000,
    )
    attempt = samples.attempt(what, version)
    data = b"".join(attempt.start_frames(_ID, [(b"a", b"1")], True, NOW_MS))
    start, given = messages(data)
    assert isinstance(start, wire.Start)
    assert (start.id, start.debug_id, start.known_entries) == (samples.OWN_ID, _ID, 4)
    assert (start.state_map, start.partial_state, start.key) == (((b"a", b"1"),), True, "")
    assert start.retry_count_since_last_stored_entry == 3
    assert start.duration_since_last_stored_entry == 1_000
    assert bool(start.random_seed) is (version >= 6)
    assert given == wire.InputCommand((("content-type", "text/plain"),), b"in")


def test_a_large_body_is_sent_as_it_is() -> None:
    body = bytes(100_000)
    what = msgspec.structs.replace(samples.invoke(), body=body)
    first, second = samples.attempt(samples.given(what)).start_frames(_ID, [], True, 0)
    assert second is body
    assert messages(first + second)[1] == wire.InputCommand((("content-type", "text/plain"),), body)


def test_an_empty_body_is_a_value() -> None:
    what = samples.invoke()
    data = samples.attempt(samples.given(what)).start_frames(_ID, [], True, 0)[0]
    assert isinstance(messages(data)[1], wire.InputCommand)
    empty = wire.input_command((), b"")
    (decoded,) = messages(empty)
    assert isinstance(decoded, wire.InputCommand) and decoded.value == b""


def test_notifications_below_what_was_replayed_are_known() -> None:
    attempt = samples.attempt(samples.given(entries=5))
    assert attempt.delivered.notify(4, b"frame", 0) == b""
    assert attempt.delivered.notify(5, b"frame", 0) == b"frame"


def test_a_notification_is_told_once_however_often_it_is_asked_for() -> None:
    attempt = samples.attempt()
    assert attempt.delivered.notify(1, b"frame", 0) == b"frame"
    assert attempt.delivered.notify(1, b"frame", 0) == b""
    # Two run results of one flush have the same index.
    assert attempt.delivered.notify(3, b"first", 1) == b"first"
    assert attempt.delivered.notify(3, b"second", 2) == b"second"
    assert attempt.delivered.notify(3, b"first", 1) == b""
    assert attempt.delivered.notify(4, b"next", 0) == b"next"


def test_nothing_is_told_after_the_half_close_or_the_end() -> None:
    closed = samples.attempt()
    closed.close_input()
    assert closed.delivered.notify(1, b"frame", 0) == b""
    over = samples.attempt()
    say(over, wire.End())
    assert over.delivered.notify(1, b"frame", 0) == b""


# --- run results ---


def propose(attempt: Attempt, completion_id: int = 1, *, ack: bool, **result: object) -> int:
    proposal = wire.ProposeRunCompletion(completion_id, **result)  # type: ignore[arg-type]
    return say(attempt, proposal, flags=wire.REQUESTED_ACK if ack else 0)


@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize("ack", [True, False])
def test_below_v7_a_run_result_is_echoed(version: int, ack: bool) -> None:
    attempt = samples.attempt(protocol=version)
    propose(attempt, ack=ack, value=b"v")
    stored = one(attempt).frames
    assert attempt.delivered.notify(2, stored, 1) == stored


def test_v7_acknowledges_to_the_stream_that_asked_for_it() -> None:
    attempt = samples.attempt()
    propose(attempt, 1, ack=True, value=b"v")
    propose(attempt, 2, ack=False, value=b"v")
    attempt.take()
    assert messages(attempt.delivered.notify(2, b"stored", 1)) == [wire.ProposeRunCompletionAck(1)]
    assert attempt.delivered.notify(3, b"stored", 2) == b"stored"
    assert attempt.delivered.notify(4, b"stored", 3) == b"stored"  # of an earlier attempt


@pytest.mark.parametrize("content", [b"", b"v", b"x" * 1000])
def test_a_run_result_becomes_its_notification(content: bytes) -> None:
    attempt = samples.attempt()
    assert say(attempt, wire.RunCommand(1, "name")) == LATER
    assert propose(attempt, ack=True, value=content) == NOW
    journal = one(attempt)
    assert (journal.entries, journal.commands) == (2, 1)
    run, result = messages(journal.frames)
    assert run == wire.RunCommand(1, "name")
    assert result == wire.Notification(codes.RUN_COMPLETION, 1, value=content)
    (effect,) = journal.effects
    assert isinstance(effect, effects.RunResult) and not effect.failed
    assert messages(journal.frames[effect.start : effect.end]) == [result]


def test_a_failed_run() -> None:
    attempt = samples.attempt()
    failed = wire.WireFailure(500, "no", (("k", "v"),))
    propose(attempt, ack=True, failure=failed)
    journal = one(attempt)
    (effect,) = journal.effects
    assert isinstance(effect, effects.RunResult) and effect.failed
    assert messages(journal.frames) == [wire.Notification(codes.RUN_COMPLETION, 1, failure=failed)]


def test_a_run_result_comes_once() -> None:
    attempt = samples.attempt()
    propose(attempt, ack=False, value=b"1")
    propose(attempt, ack=False, value=b"2")
    assert failure(attempt).why.restate_code == "RT0012"


# --- commands that want to be acknowledged ---


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_command_that_asks_for_it_is_acknowledged_once_it_is_durable(version: int) -> None:
    attempt = samples.attempt(protocol=version)
    say(attempt, wire.RunCommand(1))
    assert (
        say(attempt, wire.RunCommand(2), flags=wire.REQUESTED_ACK) == NOW
    )  # it waits for the answer
    assert one(attempt).effects == (effects.RequestAck(2),)  # the input is command 0
    say(attempt, wire.SleepCommand(9, 3), wire.ClearStateCommand(b"k"), flags=wire.REQUESTED_ACK)
    assert attempt.failed is not None  # a plain service has no state: only what was taken counts
    assert one(attempt).effects == (effects.RequestAck(3), effects.Sleep(9, 3))


def test_a_command_is_acknowledged_once_and_by_its_own_stream() -> None:
    attempt = samples.attempt(samples.given(entries=4, commands=3))
    say(
        attempt,
        wire.RunCommand(1),
        wire.RunCommand(2),
        wire.RunCommand(3),
        flags=wire.REQUESTED_ACK,
    )
    asked = [e.command_index for e in one(attempt).effects if isinstance(e, effects.RequestAck)]
    assert asked == [3, 4, 5]
    assert attempt.delivered.acknowledge(2) == b""  # of an earlier attempt: it was replayed
    assert messages(attempt.delivered.acknowledge(3)) == [wire.CommandAck(3)]
    assert attempt.delivered.acknowledge(3) == b""
    assert messages(attempt.delivered.acknowledge(4)) == [wire.CommandAck(4)]
    attempt.close_input()
    assert attempt.delivered.acknowledge(5) == b""


@pytest.mark.parametrize("version", [5, 6, 7])
def test_who_asks_for_nothing_is_acknowledged_nothing(version: int) -> None:
    attempt = samples.object_attempt(version)
    script = [
        wire.RunCommand(1),
        wire.SetStateCommand(b"k", b"v"),
        wire.SleepCommand(1, 2),
        wire.OutputCommand(value=b""),
    ]
    say(attempt, *script, flags=0)
    assert not any(isinstance(e, effects.RequestAck) for e in one(attempt).effects)


# --- flushing ---


def test_what_nobody_waits_for_rides_along() -> None:
    attempt = samples.object_attempt()
    assert say(attempt, wire.RunCommand(1)) == LATER
    assert say(attempt, wire.GetEagerStateCommand(b"k", void=True)) == LATER
    assert say(attempt, wire.SetStateCommand(b"k", b"v")) == SOON
    assert say(attempt, wire.ClearStateCommand(b"k")) == SOON
    assert say(attempt, wire.RunCommand(3)) == SOON
    assert say(attempt, wire.SleepCommand(9, 2)) == NOW
    journal = one(attempt)
    assert journal.entries == 6
    assert attempt.take() == []


def test_output_and_end_are_one_record() -> None:
    attempt = samples.attempt()
    say(attempt, wire.OutputCommand(value=b"out"))
    assert say(attempt, wire.End()) == NOW
    assert attempt.over
    journal = one(attempt)
    assert journal.end == Ended()
    assert value(journal, journal.effects[0]) == b"out"
    assert (journal.epoch, journal.incarnation, journal.attempt, journal.now_ms) == (
        3,
        7,
        2,
        NOW_MS,
    )
    assert attempt.take() == []


def test_spans_count_from_the_start_of_the_record() -> None:
    attempt = samples.object_attempt()
    say(attempt, wire.SetStateCommand(b"a", b"first"))
    attempt.take()
    say(attempt, wire.SetStateCommand(b"b", b"second"), wire.SetStateCommand(b"c", b""))
    say(attempt, wire.OutputCommand(value=b"out"), wire.End())
    journal = one(attempt)
    assert [value(journal, e) for e in journal.effects] == [b"second", b"", b"out"]


def test_frames_are_kept_as_they_came() -> None:
    # Fields in another order, and one that nobody knows.
    payload = b"\x62\x01n\x58\x01\x08\x09\xf8\x06\x01"
    raw = wire.frame(codes.SLEEP, payload)
    attempt = samples.attempt()
    attempt.receive(raw, NOW_MS)
    journal = one(attempt)
    assert journal.frames == raw
    assert journal.effects == (effects.Sleep(9, 1),)


def test_a_record_has_a_bounded_number_of_effects() -> None:
    """Each may cost as much as a small record, however few bytes it has."""
    attempt = samples.object_attempt()
    for _ in range(2 * RECORD_EFFECTS + 1):
        say(attempt, wire.ClearStateCommand(b"k"))
    journals = attempt.take()
    assert [len(j.effects) for j in journals] == [RECORD_EFFECTS, RECORD_EFFECTS, 1]
    assert [j.commands for j in journals] == [RECORD_EFFECTS, RECORD_EFFECTS, 1]


def test_long_flushes_are_split_between_entries() -> None:
    attempt = samples.object_attempt()
    large = b"x" * (RECORD_BYTES // 2)
    for n in range(5):
        assert say(attempt, wire.SetStateCommand(b"%d" % n, large)) == (SOON if n < 1 else NOW)
    say(attempt, wire.OutputCommand(value=b"out"), wire.End())
    journals = attempt.take()
    assert len(journals) == 5
    assert all(len(j.frames) <= RECORD_BYTES + 100 for j in journals)
    assert [j.pin is not None for j in journals] == [True] + [False] * 4
    assert [j.end for j in journals] == [None] * 4 + [Ended()]
    assert [value(j, e) for j in journals for e in j.effects] == [large] * 5 + [b"out"]


def test_the_pin_rides_on_the_first_stored_entry() -> None:
    attempt = samples.attempt(protocol=6)
    attempt.server = "sdk/1"
    say(attempt, wire.SleepCommand(9, 1))
    assert one(attempt).pin == Pin("dp_1", 6, "sdk/1")
    say(attempt, wire.SleepCommand(9, 2))
    assert one(attempt).pin is None


def test_an_attempt_that_stored_nothing_pins_nothing() -> None:
    attempt = samples.attempt()
    say(attempt, wire.Error(500, "x"))
    assert one(attempt).pin is None


def test_what_is_pinned_is_not_pinned_again() -> None:
    attempt = samples.attempt(samples.given(deployment="dp_0", protocol=5), 5)
    say(attempt, wire.SleepCommand(9, 1))
    assert one(attempt).pin is None


def test_a_deployment_without_a_version_is_pinned() -> None:
    attempt = samples.attempt(samples.given(deployment="dp_1"), 6)
    say(attempt, wire.SleepCommand(9, 1))
    assert one(attempt).pin == Pin("dp_1", 6)


# --- suspension ---


@pytest.mark.parametrize("version", [5, 6])
def test_a_flat_suspension_waits_for_any(version: int) -> None:
    attempt = samples.attempt(protocol=version)
    attempt.close_input()
    say(attempt, wire.Suspension(wire.WireFuture(0, [1, 2], [1], ["n"])))
    assert one(attempt).end == Suspended(Future((1, 2), (1,), ("n",)), 1)


def test_a_tree_keeps_its_shape() -> None:
    attempt = samples.attempt()
    attempt.close_input()
    inner = wire.WireFuture(codes.ALL_COMPLETED, [1, 2])
    tree = wire.WireFuture(
        codes.FIRST_COMPLETED, signals=[1], nested=[inner, wire.WireFuture(4, [3])]
    )
    say(attempt, wire.Suspension(tree))
    expected = Future(
        signals=(1,),
        nested=(Future((1, 2), combinator=2), Future((3,), combinator=4)),
        combinator=1,
    )
    assert one(attempt).end == Suspended(expected, 1)


def test_a_suspension_counts_what_the_attempt_was_given() -> None:
    attempt = samples.attempt(samples.given(entries=3))
    attempt.delivered.notify(3, b"x", 0)
    attempt.delivered.notify(6, b"x", 0)
    attempt.close_input()
    attempt.delivered.notify(9, b"x", 0)  # too late to be sent
    say(attempt, wire.Suspension(wire.WireFuture(signals=[1])))
    assert one(attempt).end == Suspended(Future(signals=(1,)), 7)


def test_a_suspension_out_of_turn_may_have_missed_what_was_sent() -> None:
    attempt = samples.attempt(samples.given(entries=3))
    attempt.delivered.notify(3, b"x", 0)
    say(attempt, wire.Suspension(wire.WireFuture(signals=[1])))
    assert one(attempt).end == Suspended(Future(signals=(1,)), 3)


def test_a_suspension_for_nothing_is_refused() -> None:
    attempt = samples.attempt()
    say(attempt, wire.Suspension(wire.WireFuture(1, nested=[wire.WireFuture(2)])))
    assert failure(attempt).why.restate_code == "RT0012"


@pytest.mark.parametrize("depth", [201, 1001])
def test_a_future_too_deep_to_keep_pauses(depth: int) -> None:
    tree = wire.WireFuture(1, [1])
    for _ in range(depth - 1):
        tree = wire.WireFuture(1, nested=[tree])
    attempt = samples.attempt()
    say(attempt, wire.Suspension(tree))
    failed = failure(attempt)
    assert (failed.why.restate_code, failed.then) == ("RT0025", THEN_PAUSE)


def test_a_future_too_wide_to_keep_pauses() -> None:
    attempt = samples.attempt()
    say(attempt, wire.Suspension(wire.WireFuture(1, list(range(1, 100_001)))))
    failed = failure(attempt)
    assert (failed.why.restate_code, failed.then) == ("RT0025", THEN_PAUSE)


# --- failures ---


# --- however it is cut ---
