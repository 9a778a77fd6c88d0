"""The states of a seat: how it comes from one to another, and what each allows."""

from collections.abc import Callable
from typing import Any, get_args

import pytest

from orchestrator.log.port import AppendError
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import AnyRecord, PurgeExpired, Resume, Signal, Transfer
from orchestrator.model.topic_records import Intake
from orchestrator.model.topics import Source
from orchestrator.processor.partition import Partition
from orchestrator.processor.proposals import OF_A_TERM, Proposal, ProposalQueue
from orchestrator.processor.seat import Seat
from orchestrator.processor.seat_states import Following, Leading, Restoring, Stopped
from orchestrator.processor.waiters import OperationWaiter, TransferWaiter
from orchestrator.store.memory import MemoryHome
from orchestrator.store.port import StoreError
from orchestrator.store.stamp import Stamp, StampedStore


class Host:
    """What the seat asks of its loop."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.wakes = 0
        self.later: list[Callable[[], object]] = []

    def wake(self) -> None:
        self.wakes += 1

    def watch(self) -> None: ...

    def store_restored(self) -> None: ...

    def stepped_down(self) -> None: ...

    def fail_waiters(self, waiters: Any, reason: str, kept: bool) -> None:
        for waiter in waiters:
            waiter.failed(reason, kept)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> object:
        self.later.append(callback)
        return None

    def now_s(self) -> float:
        return self.time_s

    def catch_up(self, number: int) -> None:
        raise AssertionError("nobody else writes")


class Office:
    """A term that does nothing."""

    def __init__(self, partition: Partition) -> None:
        self.state = partition.state
        self.epoch = partition.state.partition_row.epoch
        self.is_over = False

    def begin(self) -> None: ...

    def end(self) -> None:
        self.is_over = True

    def settle(self, parts: Any) -> None: ...

    def perform(self, actions: Any) -> None: ...


RECORD = PurgeExpired(-1, 0, ())  # of epoch -1, which the empty state has
ASKED = Resume(b"\0" * 24, 0)  # a record that is nobody's term's


def leading() -> tuple[Seat, Host]:
    host = Host()
    seat = Seat(0, host, 1 << 20)
    store = next(iter(MemoryHome().candidates()))
    partition = Partition(0, 1, StampedStore(store, Stamp()))
    seat.restored(partition, store)
    seat.begin(Office(partition))  # type: ignore[arg-type]
    return seat, host


def kind(seat: Seat) -> type:
    return type(seat.state)


def test_from_restoring_to_leading_and_back() -> None:
    seat, host = leading()
    assert kind(seat) is Leading and seat.term is not None and seat.leaderless_s(9.0) == 0
    host.time_s = 5.0
    seat.step_down("a test")
    assert kind(seat) is Following and seat.term is None and seat.leaderless_s(9.0) == 4.0
    seat.close_store()
    assert kind(seat) is Restoring and seat.partition is None and seat.leaderless_s(9.0) == 4.0


def test_only_a_leading_seat_appends_and_one_append_at_a_time() -> None:
    seat, _ = leading()
    assert not seat.can_append()
    seat.propose(RECORD)
    assert seat.can_append() and len(seat.start_append(1.0, 9, 1 << 20)) == 1
    seat.propose(RECORD)
    assert not seat.can_append() and seat.unanswered and not seat.is_quiet
    seat.append_answered(0, None)
    assert seat.can_append() and not seat.unanswered
    seat.step_down("a test")
    assert not seat.can_append()


def test_what_a_term_proposed_goes_with_it_and_the_rest_waits() -> None:
    seat, _ = leading()
    told: list[bool] = []
    seat.propose(RECORD)
    seat.propose(ASKED, TransferWaiter(told.append))
    seat.step_down("a test")
    assert len(seat.pending.waiting) == 1 and told == []


def test_a_refused_append_is_made_again_without_what_clients_asked_for() -> None:
    seat, host = leading()
    answers: list[Any] = []
    seat.propose(RECORD)
    seat.propose(ASKED, OperationWaiter(answers.append))
    seat.start_append(1.0, 9, 1 << 20)
    seat.append_answered(-1, AppendError("full", refused=True))
    assert not seat.can_append() and len(seat.pending.waiting) == 1 and len(answers) == 1
    host.later.pop()()
    assert seat.can_append()


def test_an_append_of_unknown_fate_ends_the_term_and_its_waiters_wait_for_the_log() -> None:
    seat, _ = leading()
    answers: list[Any] = []
    seat.propose(ASKED, OperationWaiter(answers.append))
    seat.start_append(1.0, 9, 1 << 20)
    seat.append_answered(-1, AppendError("no answer", refused=False))
    assert kind(seat) is Following and answers == []
    seat.resolve()
    assert len(answers) == 1 and answers[0].kept


@pytest.mark.parametrize("end", ["stop", "lose_store", "revoke"])
def test_every_end_of_a_term_ends_it_and_tells_the_waiters(end: str) -> None:
    seat, _ = leading()
    term = seat.term
    answers: list[Any] = []
    seat.propose(ASKED, OperationWaiter(answers.append))
    if end == "stop":
        seat.stop("PD0300 a test")
        assert kind(seat) is Stopped and seat.stopped == "PD0300 a test"
        assert seat.partition is not None  # it keeps its data
    elif end == "lose_store":
        seat.lose_store(StoreError("a test"))
        assert kind(seat) is Restoring
        assert answers == []  # it waits for the next term
        seat.fail_pending("a test")
    else:
        seat.revoke()
        assert not seat.is_served
    assert term is not None and term.is_over and len(answers) == 1
    seat.changed.clear()


def test_a_seat_that_is_not_served_refuses_what_comes() -> None:
    for end in ("stop", "revoke"):
        seat, _ = leading()
        seat.stop("a test") if end == "stop" else seat.revoke()
        answers: list[Any] = []
        seat.propose(ASKED, OperationWaiter(answers.append))
        assert len(answers) == 1 and not answers[0].kept and len(seat.pending.waiting) == 0


def test_a_refusal_of_the_last_term_does_not_hold_back_the_next() -> None:
    seat, host = leading()
    seat.propose(RECORD)
    seat.start_append(1.0, 9, 1 << 20)
    seat.append_answered(-1, AppendError("full", refused=True))
    partition = seat.partition
    assert partition is not None
    seat.step_down("a test")
    seat.begin(Office(partition))  # type: ignore[arg-type]
    seat.propose(RECORD)
    assert seat.can_append()
    host.later.pop()()
    assert seat.can_append()


def test_what_was_taken_is_put_back_before_all_others() -> None:
    queue = ProposalQueue()
    first, second, third = (PurgeExpired(n, 0, ()) for n in range(3))
    queue.waiting += [Proposal(first), Proposal(second)]
    taken = queue.take_all()
    queue.waiting.append(Proposal(third))
    queue.put_back(taken)
    assert [proposal.record for proposal in queue.take_all()] == [first, second, third]


def test_what_is_taken_at_once_counts_the_parts_of_records() -> None:
    """A transfer of many items costs as much as many records."""
    queue = ProposalQueue()
    transfers = [Transfer(1, 2, n, (signal(n),) * 30) for n in range(5)]
    for record in (*transfers, RECORD):
        queue.add(record, None)

    def taken(work_max: int) -> list[object]:
        return [proposal.record for proposal in queue.take(work_max, 1 << 20)[0]]

    assert taken(62) == transfers[:2]
    assert taken(61) == transfers[2:3], "the next one would exceed it"
    assert taken(10) == transfers[3:4], "one at least"
    assert taken(40) == [transfers[4], RECORD]
    assert taken(40) == []


def test_a_turn_takes_no_more_of_topics_than_of_calls() -> None:
    """What one portion of a source brings costs as much as many calls."""
    queue = ProposalQueue()
    source = Source("sub_1", "orders", b"i" * 16, 0, "c")
    portions = [Intake(1, 0, source, 1, n, n + 1, -1, (sized(1),) * 200) for n in range(4)]
    for portion in portions:
        queue.add(portion, None)
    assert [proposal.record for proposal in queue.take(250, 1 << 20)[0]] == portions[:1]


def test_what_carries_an_epoch_goes_with_its_term() -> None:
    of_a_term = {kind for kind in get_args(AnyRecord) if "epoch" in kind.__struct_fields__}
    assert of_a_term == set(OF_A_TERM)


def signal(number: int) -> Signal:
    return Signal(bytes(24), number, "", None, 0)


def sized(size_bytes: int) -> Invoke:
    return Invoke(b"i" * 24, "S", "h", "", 0, b"x" * size_bytes, (), 0, 0, 0)


@pytest.mark.parametrize("count", [8, 16])
def test_a_turn_takes_bounded_bytes_however_much_waits(count: int) -> None:
    queue = ProposalQueue()
    for _ in range(count):
        queue.add(sized(100), None)
    assert queue.bytes_count == count * 100
    taken, size_bytes = queue.take(1_000, 399)
    assert (len(taken), size_bytes) == (3, 300) and queue.bytes_count == (count - 3) * 100
    queue.put_back(taken)
    assert queue.bytes_count == count * 100
    assert len(queue.take(2, 399)[0]) == 2
    assert len(queue.take(1_000, 1)[0]) == 1, "one record always goes, however large"


def test_the_order_is_kept_over_turns_of_few_bytes() -> None:
    queue = ProposalQueue()
    records = [sized(size) for size in (10, 500, 0, 20, 300, 0)]
    for record in records:
        queue.add(record, None)
    seen = []
    while queue.waiting:
        seen += [proposal.record for proposal in queue.take(4, 100)[0]]
    assert seen == records and queue.bytes_count == 0
