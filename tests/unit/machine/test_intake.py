"""Sources: each record once and in order; slots given and freed; replies; second records."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.recover import recover
from orchestrator.model.actions import AnyAction, ReadSource
from orchestrator.model.answers import Answer
from orchestrator.model.effects import Sleep
from orchestrator.model.ids import idempotent_id, workflow_id
from orchestrator.model.limits import INPUT_INLINE_BYTES
from orchestrator.model.records import (
    AnnounceLeader,
    Cancel,
    ChoreStep,
    Failed,
    Kill,
    Purge,
    Resume,
    Suspended,
    TimersFired,
)
from orchestrator.model.topic_records import SourceClosed
from orchestrator.model.topics import CANCELLED, FAILED, KILLED, ReplyTo
from orchestrator.model.values import THEN_KILL, THEN_PAUSE, WORKFLOW_RUN, Attempted, Future
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import (
    RAW,
    intake,
    letters,
    opened,
    produced,
    source_at,
    source_row,
    taken,
    unusable,
)

SOURCE = source_at(0, 1)


def ready(start: int = 0) -> Bench:
    bench = Bench()
    bench.do(opened(bench, SOURCE, start=start))
    return bench


# --- the position ---


def test_only_what_comes_next_is_taken() -> None:
    bench = ready(start=5)
    first = taken(bench, SOURCE, 6)
    assert bench.do(intake(bench, SOURCE, 4, first, upto=7)) is Answer.DROPPED
    assert bench.do(intake(bench, SOURCE, 6, first, upto=7)) is Answer.DROPPED
    assert bench.do(intake(bench, SOURCE, 5, first, upto=9)) is Answer.DONE
    assert bench.do(intake(bench, SOURCE, 5, first, upto=9)) is Answer.DROPPED
    for upto in (9, 3):  # it never stays, nor goes back
        assert bench.do(intake(bench, SOURCE, 9, upto=upto)) is Answer.DROPPED
    row = source_row(bench)
    assert (row.position, row.live, row.leader_epoch) == (9, [6], 3)
    assert bench.live(first.id) is not None


def test_gaps_alone_move_the_position() -> None:
    bench = ready()
    assert bench.do(intake(bench, SOURCE, 0, upto=100)) is Answer.DONE
    assert source_row(bench).position == 100 and not source_row(bench).live


def test_what_a_replaced_leader_read_is_dropped() -> None:
    bench = ready()
    late = intake(bench, SOURCE, 0, taken(bench, SOURCE, 0))
    records = (late, opened(bench, SOURCE, 1), SourceClosed(bench.epoch, 0, SOURCE, 0))
    bench.do(AnnounceLeader("other", 2, bench.epoch))
    assert [bench.do(record) for record in records] == [Answer.DROPPED] * 3
    assert source_row(bench).position == source_row(bench).generation == 0


def test_a_generation_replaces_the_one_before_and_nothing_else_does() -> None:
    bench = ready(start=3)
    old = taken(bench, SOURCE, 3)
    bench.do(intake(bench, SOURCE, 3, old))
    assert bench.do(opened(bench, SOURCE, 0, start=3)) is Answer.DUPLICATE
    assert source_row(bench).position == 4, "opened again it stays"
    assert bench.do(opened(bench, SOURCE, 2, start=0)) is Answer.DONE
    assert bench.do(opened(bench, SOURCE, 1, start=9)) is Answer.DROPPED
    assert bench.do(intake(bench, SOURCE, 4, upto=5)) is Answer.DROPPED
    new = taken(bench, SOURCE, 3, generation=2)
    assert bench.do(intake(bench, SOURCE, 0, new, upto=4, generation=2)) is Answer.DONE
    assert old.id != new.id and bench.live(old.id) and bench.live(new.id)
    bench.finish(old.id)
    assert source_row(bench).live == [3], "the slot of another generation"


@pytest.mark.parametrize(("goes_on_from", "position"), [(1, 7), (2, 7), (3, 4), (0, 4)])
def test_a_generation_may_go_on_where_the_one_before_stands(
    goes_on_from: int, position: int
) -> None:
    """If that one began where the new one is to go on."""
    bench = Bench()
    bench.do(opened(bench, SOURCE, 2))
    bench.do(intake(bench, SOURCE, 0, upto=7, generation=2))
    assert bench.do(replace(opened(bench, SOURCE, 3, start=4), goes_on_from=goes_on_from)) is (
        Answer.DONE
    )
    row = source_row(bench)
    assert (row.generation, row.position) == (3, position)
    assert row.leader_epoch == (3 if position == 7 else -1)
    other = replace(SOURCE, topic_id=b"o" * 16)
    assert bench.do(replace(opened(bench, other, 3, start=4), goes_on_from=1)) is Answer.DONE
    assert [one.position for _, one in bench.state.sources.scan() if one.source == other] == [4]


def test_a_source_that_is_closed_is_forgotten_and_what_it_began_goes_on() -> None:
    bench = ready()
    invoke = taken(bench, SOURCE, 0)
    bench.do(intake(bench, SOURCE, 0, invoke))
    assert bench.do(SourceClosed(bench.epoch, 0, SOURCE, 1)) is Answer.DROPPED
    assert bench.do(SourceClosed(bench.epoch, 0, SOURCE, 0)) is Answer.DONE
    bench.finish(invoke.id)
    assert not list(bench.state.sources.scan()) and produced(bench)


def test_a_source_is_opened_in_its_home_only() -> None:
    bench = Bench(1, 2)
    with pytest.raises(AssertionError):
        bench.do(opened(bench, source_at(0, 2)))


def test_a_new_leader_reads_every_source() -> None:
    bench = ready()
    actions: list[AnyAction] = []
    recover(bench.state, actions, bench.now_ms)
    assert actions == [ReadSource(keys.source_key(SOURCE))]


# --- slots ---


Act = Callable[[Bench, bytes], object]
WHY = Attempted(500, "boom")


def schedule(bench: Bench, identity: bytes) -> None:
    pass  # it was, when it was taken


def suspend(bench: Bench, identity: bytes) -> None:
    bench.flush(identity, Sleep(bench.now_ms + 99, 1), end=Suspended(Future((1,), (1,)), 2))


FREES: dict[str, Act] = {
    "completes": lambda bench, i: bench.finish(i),
    "fails": lambda bench, i: bench.flush(i, end=Failed(WHY, THEN_KILL, 1)),
    "is killed": lambda bench, i: bench.do(Kill(i, bench.now_ms)),
    "suspends": suspend,
    "waits for its time": schedule,
}


@pytest.mark.parametrize("what", FREES)
def test_a_slot_is_freed_once(what: str) -> None:
    bench = ready()
    delayed = bench.now_ms + 50 if FREES[what] is schedule else 0
    invoke = taken(bench, SOURCE, 0, start_at_ms=delayed)
    bench.do(intake(bench, SOURCE, 0, invoke))
    assert source_row(bench).live == ([] if delayed else [0])
    FREES[what](bench, invoke.id)
    assert source_row(bench).live == []
    if not delayed:
        assert bench.took(ReadSource)
    if bench.live(invoke.id):  # it goes on, and has none to give back at its end
        bench.now_ms += 200
        bench.do(TimersFired(bench.epoch, bench.now_ms, _timers(bench)))
        bench.finish(invoke.id)
        assert not bench.took(ReadSource) and not bench.live(invoke.id)


def _timers(bench: Bench) -> tuple[bytes, ...]:
    return tuple(key for key, _ in bench.state.timers.scan())


def test_one_that_is_paused_or_queued_holds_its_slot() -> None:
    bench = ready()
    first, second = taken(bench, SOURCE, 0, "k"), taken(bench, SOURCE, 1, "k")
    bench.do(intake(bench, SOURCE, 0, first, second))
    for _ in range(2):
        bench.flush(first.id, end=Failed(WHY, THEN_PAUSE, 1))
        assert source_row(bench).live == [0, 1] and source_row(bench).paused == {0: first.id}
        bench.do(Resume(first.id, bench.now_ms))
        assert source_row(bench).live == [0, 1] and not source_row(bench).paused
    bench.finish(first.id)
    assert source_row(bench).live == [1]
    bench.do(Cancel(second.id, bench.now_ms))
    bench.finish(second.id)
    assert source_row(bench).live == []


LEAVES: dict[str, Act] = {
    "is killed": lambda bench, i: bench.do(Kill(i, bench.now_ms)),
    "is cancelled": lambda bench, i: bench.do(Cancel(i, bench.now_ms)),
    "is replaced": lambda bench, i: bench.do(opened(bench, SOURCE, 1)),
}


@pytest.mark.parametrize("what", LEAVES)
def test_one_that_is_paused_no_more_is_shown_no_more(what: str) -> None:
    bench = ready()
    invoke = taken(bench, SOURCE, 0)
    bench.do(intake(bench, SOURCE, 0, invoke))
    bench.flush(invoke.id, end=Failed(WHY, THEN_PAUSE, 1))
    assert source_row(bench).paused == {0: invoke.id}
    LEAVES[what](bench, invoke.id)
    assert not source_row(bench).paused
    if bench.live(invoke.id):  # of a generation that is over, or it sees that it is cancelled
        bench.flush(invoke.id, end=Failed(WHY, THEN_PAUSE, 2))
        assert bool(source_row(bench).paused) == (what == "is cancelled")


def test_without_a_limit_no_slot_is_kept() -> None:
    bench = ready()
    invoke = taken(bench, SOURCE, 0)
    assert invoke.origin is not None
    invoke = replace(invoke, origin=replace(invoke.origin, holds_slot=False))
    bench.do(intake(bench, SOURCE, 0, invoke))
    assert source_row(bench).live == []
    bench.finish(invoke.id)
    assert not bench.took(ReadSource)


# --- what is kept of a record ---


def test_large_headers_are_written_once_and_come_back_whole() -> None:
    bench = ready()
    large = (*RAW, ("large", b"\xfe" * INPUT_INLINE_BYTES))
    reply = ReplyTo("log", "answers", -1, (("correlation", b"c" * 100),))
    invoke = taken(bench, SOURCE, 0, "key", reply=reply)
    assert invoke.origin is not None
    invoke = replace(invoke, origin=replace(invoke.origin, headers=large))
    bench.do(intake(bench, SOURCE, 0, invoke))
    row = bench.live(invoke.id)
    assert row is not None and len(encode_row(row)) < 700
    assert whole_invoke(bench.state, row) == invoke
    bench.finish(invoke.id)
    ((_, item),) = produced(bench)
    assert (item.key, item.headers[-1]) == (b"key", ("correlation", b"c" * 100))
    assert [key[:1] for key, _ in bench.rows()] == [b"a", b"m", b"x"], "nothing is left of it"


def test_what_asks_for_no_retention_leaves_no_row() -> None:
    """A thousand records of which nothing is to be kept cost nothing when they are done."""
    bench = ready()
    for offset in range(1_000):
        invoke = taken(bench, SOURCE, offset, reply=None)
        bench.do(intake(bench, SOURCE, offset, invoke))
        bench.finish(invoke.id)
    assert [key[:1] for key, _ in bench.rows()] == [b"a", b"m"]


def test_one_that_asks_for_it_is_kept() -> None:
    bench = ready()
    invoke = taken(bench, SOURCE, 0, completion_retention_ms=1_000, journal_retention_ms=1_000)
    bench.do(intake(bench, SOURCE, 0, invoke))
    bench.finish(invoke.id)
    done = bench.done(invoke.id)
    assert done is not None and whole_invoke(bench.state, done).origin == replace(
        invoke.origin, holds_slot=False
    )
    bench.do(Purge(invoke.id, bench.now_ms))
    assert bench.done(invoke.id) is None


# --- replies ---


def test_a_reply_is_the_result_and_how_it_came_about() -> None:
    bench = ready()
    good, bad = taken(bench, SOURCE, 0, "a"), taken(bench, SOURCE, 1, "b")
    bench.do(intake(bench, SOURCE, 0, good, bad))
    bench.finish(good.id, b"\xffout")
    bench.flush(bad.id, end=Failed(Attempted(418, 'no "tea"'), THEN_KILL, 1))
    (topic, first), (_, second) = produced(bench)
    assert (topic, first.partition, first.key, first.value) == ("answers", 2, b"a", b"\xffout")
    assert [value for name, value in first.headers if name != "perdure-invocation-id"] == [
        b"ok", b"\x00\xff",
    ]  # fmt: skip
    assert second.value is not None
    assert msgspec.json.decode(second.value) == {"code": 418, "message": 'no "tea"'}
    assert dict(second.headers)["perdure-status"] == b"failure"
    assert dict(second.headers)["perdure-failure-code"] == b"418"


def test_without_reply_to_nothing_is_sent() -> None:
    bench = ready()
    invoke = taken(bench, SOURCE, 0, reply=None)
    bench.do(intake(bench, SOURCE, 0, invoke))
    bench.finish(invoke.id)
    assert not produced(bench)


# --- second records for one id ---


def test_a_second_record_for_a_workflow_key_is_answered_409_and_frees_its_slot() -> None:
    bench = ready()
    run = {"kind": WORKFLOW_RUN, "id": workflow_id("Counter", "k")}
    run["completion_retention_ms"] = 60_000
    first, second, third = (taken(bench, SOURCE, n, "k", **run) for n in range(3))  # type: ignore[arg-type]
    bench.do(intake(bench, SOURCE, 0, first, second))
    assert source_row(bench).live == [0]
    ((_, item),) = produced(bench)
    assert dict(item.headers)["perdure-failure-code"] == b"409"
    bench.finish(first.id)
    bench.do(intake(bench, SOURCE, 2, third))
    assert source_row(bench).live == []
    replies = [dict(item.headers)["perdure-status"] for _, item in produced(bench)]
    assert replies == [b"failure", b"ok", b"failure"] and not bench.live(first.id)


def test_second_records_for_an_idempotency_key_get_the_one_result() -> None:
    """While it is at work their replies wait, by follow-up records; then they are stored ones."""
    bench = ready()
    identity = idempotent_id("Counter", None, "add", "once")
    named = {"id": identity, "idempotency_key": "once", "completion_retention_ms": 60_000}
    invokes = [taken(bench, SOURCE, n, **named) for n in range(20)]  # type: ignore[arg-type]
    bench.do(intake(bench, SOURCE, 0, *invokes))
    assert source_row(bench).live == [0] and not produced(bench)
    row = bench.live(identity)
    assert row is not None and row.more_waiters == 19 and not row.waiters
    bench.finish(identity, b"result")
    for key in [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, key))
    bench.do(intake(bench, SOURCE, 20, taken(bench, SOURCE, 20, **named)))  # type: ignore[arg-type]
    assert [item.value for _, item in produced(bench)] == [b"result"] * 21
    assert source_row(bench).live == [] and not list(bench.state.waiters.scan())


# --- failures for good ---


@pytest.mark.parametrize("what", [FAILED, KILLED, CANCELLED])
def test_an_invocation_that_fails_becomes_a_dead_letter_if_asked(what: str) -> None:
    bench = ready()
    first, second = taken(bench, SOURCE, 0, "k"), taken(bench, SOURCE, 1, "k", body=b"two")
    bench.do(intake(bench, SOURCE, 0, first, second))
    if what == CANCELLED:
        bench.do(Cancel(second.id, bench.now_ms))  # it had not begun
    elif what == KILLED:
        bench.do(Kill(second.id, bench.now_ms))
    else:
        bench.finish(first.id)
        bench.flush(second.id, end=Failed(WHY, THEN_KILL, 1))
    ((_, row),) = letters(bench)
    letter = row.letter
    assert (letter.reason, letter.value, letter.invocation_id) == (what, b"two", second.id)
    assert letter.origin is not None and letter.origin.headers == RAW
    assert (letter.service, letter.handler, letter.key) == ("Counter", "add", "k")


def test_a_dead_letter_goes_to_the_home_of_its_source() -> None:
    source = source_at(1, 2)
    home, other = Bench(1, 2), Bench(0, 2)
    home.do(opened(home, source))
    invoke = taken(home, source, 0, "k")
    invoke = replace(invoke, id=bytes(8) + invoke.id[8:])  # of a key of the other partition
    home.do(intake(home, source, 0, invoke))
    other.do(replace(invoke))
    other.flush(invoke.id, end=Failed(WHY, THEN_KILL, 1))
    assert not letters(other)
    items = [row.item for key, row in other.state.outbox.scan() if key[:4] == b"\0\0\0\1"]
    assert [type(item).__name__ for item in items] == ["SlotFreed", "DeadLetter"]


def test_records_that_cannot_be_used_take_no_slot() -> None:
    bench = ready()
    bench.do(intake(bench, SOURCE, 0, unusable(bench, SOURCE, 0), taken(bench, SOURCE, 1)))
    assert source_row(bench).live == [1] and len(letters(bench)) == 1
    assert bench.live(uid(1)) is None
