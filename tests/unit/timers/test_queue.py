"""Timers due soon are held; the others stay rows until the horizon reaches them."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.timers import queue as queue_module
from orchestrator.timers.queue import AHEAD_MS, WINDOW_MS, TimerQueue, due_of
from orchestrator.timers.retries import Retry, RetryQueue


def key(due_ms: int, name: int = 0) -> bytes:
    return due_ms.to_bytes(8, "big") + name.to_bytes(4, "big")


class Table:
    """Rows of timers, in order, from a horizon on."""

    def __init__(self, *dues: int) -> None:
        self.keys = sorted(key(due, number) for number, due in enumerate(dues))
        self.read_count = 0

    def since(self, due_ms: int) -> Iterator[bytes]:
        for row in self.keys:
            if due_of(row) >= due_ms:
                self.read_count += 1
                yield row


def load(queue: TimerQueue, table: Table, now_ms: int) -> None:
    if queue.needs_load(now_ms):
        queue.load(now_ms, table.since(queue.horizon_ms))


def test_what_is_due_comes_out_in_order_and_once() -> None:
    queue = TimerQueue()
    load(queue, Table(300, 100, 200, 100), 0)
    assert [due_of(k) for k in queue.due(150, 10)] == [100, 100]
    assert queue.due(150, 10) == []
    assert [due_of(k) for k in queue.due(1_000, 10)] == [200, 300]


def test_far_timers_cost_nothing_until_their_time() -> None:
    table = Table(*(WINDOW_MS * 10 + n for n in range(1_000)), 5)
    queue = TimerQueue()
    load(queue, table, 0)
    assert len(queue) == 1
    assert table.read_count == 2  # the first one past the horizon ends the load
    assert not queue.add(key(WINDOW_MS * 20))
    assert len(queue) == 1


def test_the_horizon_moves_before_the_heap_runs_dry() -> None:
    table = Table(*range(0, WINDOW_MS * 3, 1_000))
    queue = TimerQueue()
    fired: list[int] = []
    now_ms = 0
    while now_ms < WINDOW_MS * 3:
        load(queue, table, now_ms)
        assert queue.horizon_ms > now_ms + AHEAD_MS or queue.horizon_ms >= WINDOW_MS * 3
        fired += [due_of(k) for k in queue.due(now_ms, 10_000)]
        now_ms = max(now_ms + 1, queue.next_ms())
    assert fired == sorted(set(fired)) and len(fired) == WINDOW_MS * 3 // 1_000


def test_one_load_takes_a_bounded_number_of_rows() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_module, "LOADED_MAX", 10)
        table = Table(*([7] * 15), *range(100, 130))
        queue = TimerQueue()
        load(queue, table, 0)
        assert len(queue) == 15  # those of one moment stay together
        assert queue.horizon_ms == 100
        fired: list[bytes] = []
        for now_ms in range(200):
            load(queue, table, now_ms)
            assert len(queue) <= 15
            fired += queue.due(now_ms, 4)
        load(queue, table, 200)
        while len(queue):
            fired += queue.due(200, 4)
            load(queue, table, 200)
        assert sorted(fired) == table.keys


def test_a_timer_armed_first_is_said_to_be_the_first() -> None:
    queue = TimerQueue()
    load(queue, Table(), 0)
    assert queue.add(key(500))
    assert not queue.add(key(600))
    assert queue.add(key(400))
    assert not queue.add(key(400))  # armed again
    assert queue.next_ms() == 400
    assert len(queue) == 3


@given(
    dues=st.lists(st.integers(0, 300_000), max_size=60),
    armed=st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, 50_000)), max_size=40),
)
def test_every_timer_fires_once_and_never_before_its_time(
    dues: list[int], armed: list[tuple[int, int]]
) -> None:
    """Time jumps from one armed timer to the next; rows and arming tell the same."""
    table = Table(*dues)
    queue = TimerQueue()
    fired: list[bytes] = []
    now_ms = 0
    for number, (at_ms, delay_ms) in enumerate(sorted(armed)):
        while queue.next_ms() <= at_ms or queue.needs_load(now_ms):
            now_ms = max(now_ms, min(at_ms, queue.next_ms()))
            load(queue, table, now_ms)
            due = queue.due(now_ms, 3)
            assert all(due_of(k) <= now_ms for k in due)
            fired += due
        now_ms = at_ms
        new = key(at_ms + delay_ms, 1_000 + number)
        table.keys = sorted([*table.keys, new])
        queue.add(new)
    now_ms = 1_000_000
    for _ in range(300):
        load(queue, table, now_ms)
        fired += queue.due(now_ms, 3)
    assert sorted(fired) == table.keys


def test_the_last_time_armed_for_a_retry_counts() -> None:
    retries = RetryQueue()
    retries.arm(Retry(100, b"a", 1))
    retries.arm(Retry(300, b"a", 1))
    retries.arm(Retry(200, b"b", 1))
    retries.arm(Retry(200, b"b", 1))
    assert retries.next_ms() == 200
    assert retries.due(250) == [Retry(200, b"b", 1)]
    retries.arm(Retry(260, b"c", 1))
    retries.drop(b"c")
    assert retries.next_ms() == 300
    assert retries.due(1_000) == [Retry(300, b"a", 1)]
    assert retries.next_ms() is None and len(retries) == 0
