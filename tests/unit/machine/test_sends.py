"""Records that leave: sends as calls and one-way, what is committed, what never can be."""

import pytest
from msgspec.structs import replace

from orchestrator.codec.keys import outbox_key
from orchestrator.codec.rows import encode_row
from orchestrator.machine import apply_produced, lanes
from orchestrator.machine.lanes import produce_bytes
from orchestrator.machine.recover import recover
from orchestrator.model.actions import AnyAction, Complete, SendOutbox, StartAttempt
from orchestrator.model.answers import Answer
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.limits import INPUT_INLINE_BYTES
from orchestrator.model.records import (
    Cancel,
    ChoreStep,
    Kill,
    OutboxAdvanced,
    Pause,
    Resume,
    Signal,
    TimersFired,
)
from orchestrator.model.topic_records import CloseLane, OutboxRefused, Produced
from orchestrator.model.topics import (
    BAD_REQUEST,
    DEAD_SEND,
    LANE_CLOSED,
    NO_RIGHT,
    NO_TOPIC,
    TOO_LARGE,
    FeedTopic,
    ProduceRequest,
)
from orchestrator.model.values import SUSPENDED, Failure
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import RAW, letters, produced, request, send

A, B, C = uid(1), uid(2), uid(3)
LANE = MINTED_FIRST


def outcome_of(bench: Bench) -> object:
    (one,) = bench.took(Complete)
    assert isinstance(one, Complete)
    return one.outcome


def committed(bench: Bench, upto: int, *answers: tuple[int, int, int], lane: int = LANE) -> Answer:
    return bench.do(Produced(bench.epoch, bench.now_ms, lane, upto, answers))


def refused(bench: Bench, number: int, reason: str = NO_TOPIC, lane: int = LANE) -> Answer:
    return bench.do(OutboxRefused(bench.epoch, bench.now_ms, lane, number, reason, "no"))


# --- as call and one-way ---


def test_a_call_is_answered_once_its_record_is_committed() -> None:
    bench = Bench()
    send(bench, A, request(True))
    assert bench.took(SendOutbox) and not bench.took(StartAttempt)
    ((topic, item),) = produced(bench)
    assert (topic, item.partition, item.key, item.headers) == ("bills", 1, b"k", RAW)
    assert bench.live(A) is not None
    committed(bench, 1, (1, 7, 1 << 40))
    assert outcome_of(bench) == b'{"topic":"bills","partition":7,"offset":1099511627776}'
    committed(bench, 1, (1, 7, 99))
    assert not bench.took(Complete) and not list(bench.state.outbox.scan())


def test_a_one_way_is_over_when_its_record_is_a_row() -> None:
    bench = Bench()
    send(bench, A, request(False))
    assert outcome_of(bench) == b'{"topic":"bills","partition":null,"offset":null}'
    assert produced(bench) and not bench.live(A)


@pytest.mark.parametrize("how", [Produced, OutboxAdvanced])
def test_after_a_take_over_its_place_may_not_be_known(how: type) -> None:
    """However rows are trimmed, no caller is left behind."""
    bench = Bench()
    for identity in (A, B):
        send(bench, identity, request(True))
    if how is Produced:
        committed(bench, 2)
    else:
        bench.do(OutboxAdvanced(bench.epoch, ((LANE, 2),)))
    outcomes = {one.outcome for one in bench.took(Complete) if isinstance(one, Complete)}
    assert len(bench.took(Complete)) == 2
    assert outcomes == {b'{"topic":"bills","partition":null,"offset":null}'}


def test_a_delayed_send_waits_for_its_time() -> None:
    bench = Bench()
    send(bench, A, request(False, value=b"v" * INPUT_INLINE_BYTES), start_at_ms=bench.now_ms + 50)
    row = bench.live(A)
    assert row is not None and not produced(bench) and len(encode_row(row)) < 300
    bench.state.spill()
    bench.now_ms += 60
    keys = tuple(key for key, _ in bench.state.timers.scan())
    bench.do(TimersFired(bench.epoch, bench.now_ms, keys))
    ((_, item),) = produced(bench)
    assert item.value == b"v" * INPUT_INLINE_BYTES


def test_no_attempt_is_ever_started_for_a_send() -> None:
    """Nor can it be paused, resumed or cancelled once its record is under way; it can be killed."""
    bench = Bench()
    send(bench, A, request(True))
    now_ms = bench.now_ms
    for operation, answer in (
        (Pause(A, now_ms), Answer.NOT_RUNNING),
        (Resume(A, now_ms), Answer.NOT_STARTED),
        (Cancel(A, now_ms), Answer.ACCEPTED),
        (Signal(A, 0, "go", b"v", now_ms), Answer.ACCEPTED),
    ):
        assert bench.do(operation) is answer
        row = bench.live(A)
        assert not bench.actions and row is not None and row.status == SUSPENDED
    actions: list[AnyAction] = []
    recover(bench.state, actions, bench.now_ms)
    assert actions == [SendOutbox(LANE)]
    bench.do(Kill(A, now_ms))
    assert not bench.live(A) and produced(bench), "its record is sent all the same"
    committed(bench, 1, (1, 0, 0))
    assert not bench.took(Complete)


def test_a_send_that_lives_anew_is_not_answered_for_the_life_before() -> None:
    bench = Bench()
    send(bench, A, request(True), idempotency_key="once")
    bench.do(Kill(A, bench.now_ms))
    bench.now_ms += 1
    send(bench, A, request(True), idempotency_key="once")
    committed(bench, 1, (1, 0, 5))
    assert bench.live(A) is not None
    committed(bench, 2, (2, 0, 6))
    assert outcome_of(bench) == b'{"topic":"bills","partition":0,"offset":6}'


# --- what cannot be sent ---


@pytest.mark.parametrize("awaited", [True, False])
def test_a_request_that_cannot_be_used(awaited: bool) -> None:
    bench = Bench()
    bad = ProduceRequest("", "", None, None, (), None, awaited, "field 'topic' is missing")
    send(bench, A, bad)
    assert outcome_of(bench) == Failure(400, "field 'topic' is missing")
    reasons = [(row.letter.kind, row.letter.reason, row.letter.value) for _, row in letters(bench)]
    assert reasons == ([] if awaited else [(DEAD_SEND, BAD_REQUEST, b"{}")])


@pytest.mark.parametrize(("reason", "code"), [(NO_TOPIC, 404), (NO_RIGHT, 403), (TOO_LARGE, 413)])
def test_what_can_never_be_sent_is_set_aside_and_its_caller_told(reason: str, code: int) -> None:
    bench = Bench()
    for identity in (A, B):
        send(bench, identity, request(True))
    assert refused(bench, 2, reason) is Answer.DROPPED, "what is before it comes first"
    assert refused(bench, 1, reason) is Answer.DONE
    assert outcome_of(bench) == Failure(code, "no")
    assert refused(bench, 1, reason) is Answer.DROPPED
    ((_, row),) = letters(bench)
    assert row.letter.produce == request(True) and row.letter.invocation_id == A
    committed(bench, 2, (2, 0, 0))
    assert b"offset" in outcome_of(bench)  # type: ignore[operator]


def test_a_replaced_leader_trims_and_refuses_nothing() -> None:
    bench = Bench()
    send(bench, A, request(True))
    assert bench.do(Produced(9, 0, LANE, 1)) is Answer.DROPPED
    assert bench.do(OutboxRefused(9, 0, LANE, 1, NO_TOPIC, "no")) is Answer.DROPPED
    assert bench.do(CloseLane(9, 0, LANE)) is Answer.DROPPED
    assert produced(bench) and bench.live(A)


# --- lanes ---


def test_what_a_lane_holds_is_counted_in_bytes() -> None:
    bench = Bench()
    for identity in (A, B, C):
        send(bench, identity, request(False, value=b"v" * 1_000))
    lane = bench.state.partition_row.lanes[LANE]
    held = [produce_bytes(item) for _, item in produced(bench)]
    assert lane.held_bytes == sum(held) > 3_000
    committed(bench, 1)
    assert lane.held_bytes == sum(held[1:])
    refused(bench, 2)
    committed(bench, 3)
    assert lane.held_bytes == 0


def test_past_a_number_of_them_empty_lanes_go_and_come_back_as_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "TOPIC_LANES_KEPT_COUNT", 2)
    bench = Bench()
    own = bench.state.partition_row
    for number in range(3):
        send(bench, uid(number + 1), request(False, topic=f"t{number}"))
    committed(bench, 1, lane=LANE + 1)
    assert sorted(own.lanes) == [LANE, LANE + 2] == sorted(own.topic_lanes.values())
    committed(bench, 1, lane=LANE)
    assert sorted(own.lanes) == [LANE, LANE + 2]
    send(bench, uid(9), request(False, topic="t1"))
    assert own.topic_lanes["log", "t1"] == LANE + 3
    assert committed(bench, 1, lane=LANE + 1) is Answer.DROPPED, "of a lane that is gone"
    assert [topic for topic, _ in produced(bench)] == ["t2", "t1"]


def test_the_rows_of_a_closed_lane_become_dead_letters_a_part_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply_produced, "CHORE_STEP_COUNT", 4)
    bench = Bench()
    for number in range(10):
        send(bench, uid(number + 1), request(number == 9))
    assert bench.do(CloseLane(bench.epoch, bench.now_ms, LANE)) is Answer.ACCEPTED
    assert bench.do(CloseLane(bench.epoch, bench.now_ms, LANE)) is Answer.DROPPED
    actions: list[AnyAction] = []
    recover(bench.state, actions, bench.now_ms)
    assert SendOutbox(LANE) not in actions, "nothing is sent any more"
    send(bench, uid(11), request(False))  # of another lane
    outcomes = []
    while chores := [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))
        outcomes += [one.outcome for one in bench.took(Complete) if isinstance(one, Complete)]
    assert [row.letter.reason for _, row in letters(bench)] == [LANE_CLOSED] * 10
    assert outcomes == [Failure(500, "the broker cluster was deleted")]
    assert list(bench.state.partition_row.lanes) == [LANE + 1]
    assert [key for key, _ in bench.state.outbox.scan()] == [outbox_key(LANE + 1, 1)]


def test_a_lane_of_a_broker_cluster_that_is_known_stays() -> None:
    bench = Bench()
    bench.state.partition_row.letter_feeds["log"] = FeedTopic("log", "perdure.dlq")
    send(bench, A, request(False))
    assert bench.do(CloseLane(bench.epoch, bench.now_ms, LANE)) is Answer.DROPPED
    assert len(produced(bench)) == 1 and not letters(bench)


def test_a_closed_lane_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_produced, "CHORE_STEP_BYTES", 5_000)
    bench = Bench()
    for number in range(10):
        send(bench, uid(number + 1), request(False, value=b"v" * 2_000))
    bench.do(CloseLane(bench.epoch, bench.now_ms, LANE))
    assert len(letters(bench)) == 3


def test_rows_that_are_sent_and_trimmed_between_two_spills_are_never_written() -> None:
    bench = Bench()
    bench.state.spill()
    send(bench, A, replace(request(True), value=b"v" * 5_000))
    committed(bench, 1, (1, 0, 0))
    written = {key[:1]: len(value) for key, value in bench.rows()}
    assert b"x" not in written and b"n" not in written and sum(written.values()) < 1_000
