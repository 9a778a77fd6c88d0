"""Clients that wait for one result: told a few at a time, each once, in the order they came."""

from collections import deque
from collections.abc import Callable
from functools import partial

import pytest

from orchestrator.model.actions import Complete
from orchestrator.processor.late_results import LateResults
from orchestrator.processor.port import Reply, Result
from orchestrator.processor.waiters import TOLD_BYTES, TOLD_COUNT, Results, ResultWaiter
from tests.unit.machine.bench import Bench, uid

ID = bytes(24)


class Clients:
    """Many that wait for the result of one incarnation."""

    def __init__(self, count: int, incarnation: int = 7, identity: bytes = ID) -> None:
        self.told: list[int] = []
        self.rounds: deque[Callable[[], object]] = deque()
        self.results = Results(self.rounds.append)
        self.waiters = [ResultWaiter(identity, partial(self._told, n)) for n in range(count)]
        for waiter in self.waiters:
            waiter.incarnation = incarnation
            self.results.add(waiter)

    def _told(self, number: int, reply: Reply) -> None:
        assert isinstance(reply, Result)
        self.told.append(number)

    def complete(self, outcome: bytes = b"done") -> list[int]:
        self.results.complete(Complete(ID, 7, outcome, 1))
        return self.counts()

    def counts(self) -> list[int]:
        """How many were told by each callback."""
        counts = [len(self.told)]
        while self.rounds:
            self.rounds.popleft()()
            counts.append(len(self.told) - sum(counts))
        return counts


@pytest.mark.parametrize("count", [1, TOLD_COUNT, 5_000, 10_000])
def test_a_callback_tells_a_few_and_all_are_told_in_order(count: int) -> None:
    clients = Clients(count)
    counts = clients.complete()
    assert max(counts) <= TOLD_COUNT and len(counts) == -(-count // TOLD_COUNT)
    assert clients.told == list(range(count)) and len(clients.results) == 0


@pytest.mark.parametrize("count", [500, 1_000])
def test_a_turn_that_completes_many_tells_as_few_as_one_that_completes_one(count: int) -> None:
    clients = Clients(0)
    for number in range(count):
        identity = number.to_bytes(24, "big")
        for place in range(3):
            waiter = ResultWaiter(identity, partial(clients._told, 3 * number + place))
            waiter.incarnation = 7
            clients.results.add(waiter)
    clients.results.begin_turn()
    for number in range(count):
        clients.results.complete(Complete(number.to_bytes(24, "big"), 7, b"done", 1))
    counts = clients.counts()
    assert max(counts) <= TOLD_COUNT and len(counts) <= 3 * count // TOLD_COUNT + 2
    assert clients.told == list(range(3 * count))
    clients.results.begin_turn()
    clients.results.add(waiter)
    clients.results.complete(Complete(waiter.id, 7, b"done", 1))
    assert len(clients.told) == 3 * count + 1  # the next turn tells at once again


def test_results_that_were_there_already_are_told_a_few_at_a_time() -> None:
    clients = Clients(20)
    clients.results.begin_turn()
    for waiter in clients.waiters:
        clients.results.drop(waiter)
        clients.results.answer(waiter, Result(bytes(TOLD_BYTES // 3), 1, True))
    assert max(clients.counts()) <= 4 and clients.told == list(range(20))


def test_of_a_large_result_fewer_are_told_at_once() -> None:
    counts = Clients(20).complete(bytes(TOLD_BYTES // 3))
    assert max(counts) * (TOLD_BYTES // 3) <= TOLD_BYTES and sum(counts) == 20


def test_who_goes_away_between_two_callbacks_is_not_told() -> None:
    clients = Clients(3 * TOLD_COUNT)
    for waiter in clients.waiters[::2]:
        waiter.forget()
    assert len(clients.results) == 3 * TOLD_COUNT // 2
    clients.results.complete(Complete(ID, 7, b"done", 1))
    for waiter in clients.waiters:
        waiter.forget()
    while clients.rounds:
        clients.rounds.popleft()()
    assert clients.told == list(range(1, 2 * TOLD_COUNT, 2))


def test_who_waits_for_another_incarnation_goes_on_waiting() -> None:
    clients = Clients(5, incarnation=9)
    assert clients.complete() == [0] and len(clients.results) == 5


@pytest.mark.parametrize("count", [5_000, 10_000])
def test_late_results_are_told_a_few_at_a_time(count: int) -> None:
    bench = Bench()
    bench.invoke(uid(1))
    bench.finish(uid(1))
    done = bench.done(uid(1))
    assert done is not None
    clients = Clients(count, done.incarnation, uid(1))
    clients.results.reply_if_done(bench.state, uid(1))
    assert clients.counts() == [TOLD_COUNT] * (count // TOLD_COUNT) + [count % TOLD_COUNT]
    assert clients.told == list(range(count))


@pytest.mark.parametrize("count", [64, 128])
def test_late_results_of_many_invocations_are_told_a_few_at_a_time(count: int) -> None:
    bench = Bench()
    told: list[Reply] = []
    rounds: deque[Callable[[], object]] = deque()
    results = Results(rounds.append)
    for number in range(count):
        bench.invoke(uid(number))
        bench.finish(uid(number))
        done = bench.done(uid(number))
        assert done is not None
        for _ in range(count):
            waiter = ResultWaiter(uid(number), told.append)
            waiter.incarnation = done.incarnation
            results.add(waiter)
    late = LateResults(bench.state, results)
    counts = []
    has_more = True
    while has_more:
        has_more = late.step()
        counts.append(len(told) - sum(counts))
    while rounds:
        rounds.popleft()()
        assert len(rounds) <= 1, "what is untold has one callback"
        counts.append(len(told) - sum(counts))
    assert max(counts) <= TOLD_COUNT
    assert len(told) == count * count and len(counts) <= count + count * count // TOLD_COUNT
