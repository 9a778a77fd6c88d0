"""Timers due soon are held; the others stay rows until the horizon reaches them."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.timers import queue as queue_module
from orchestrator.timers.queue import AHEAD_MS, WINDOW_MS, TimerQueue, due_of
from orchestrator.timers.retries import ARMED_MAX, Retry, RetryQueue

LOAD_COUNT = 500
NOON_MS = 5_000_000  # by the wall clock, when the monotonic one is at 0


def key(due_ms: int, name: int = 0) -> bytes:
    return due_ms.to_bytes(8, "big") + name.to_bytes(4, "big")


class Table:
    """Rows of timers, in order, from a horizon on."""

    def __init__(self, *dues: int) -> None:
        self.keys = sorted(key(due, number) for number, due in enumerate(dues))
        self.read_count = 0

    def since(self, horizon: bytes) -> Iterator[bytes]:
        for row in self.keys:
            if row >= horizon:
                self.read_count += 1
                yield row


def load(queue: TimerQueue, table: Table, now_ms: int, count_max: int = LOAD_COUNT) -> None:
    """All loads that one moment wants; both clocks show the same."""
    while queue.needs_load(now_ms) and queue.load(
        now_ms, now_ms, table.since(queue.horizon), count_max
    ):
        pass


def next_ms(queue: TimerQueue, now_ms: int) -> int:
    load_in_ms, first_ms = queue.load_in_ms(now_ms), queue.first_ms()
    times = [first_ms] if first_ms is not None else []
    times += [now_ms + load_in_ms] if load_in_ms is not None else []
    return min(times)


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
    assert not queue.add(key(WINDOW_MS * 20), WINDOW_MS * 20, 0)
    assert len(queue) == 1


def test_the_horizon_moves_before_the_heap_runs_dry() -> None:
    table = Table(*range(0, WINDOW_MS * 3, 1_000))
    queue = TimerQueue()
    fired: list[int] = []
    now_ms = 0
    while now_ms < WINDOW_MS * 3:
        load(queue, table, now_ms)
        assert due_of(queue.horizon) > now_ms + AHEAD_MS
        fired += [due_of(k) for k in queue.due(now_ms, 10_000)]
        now_ms = max(now_ms + 1, next_ms(queue, now_ms))
    assert fired == sorted(set(fired)) and len(fired) == WINDOW_MS * 3 // 1_000


def test_a_load_is_bounded_and_goes_on_where_it_ended() -> None:
    """However many are due in one millisecond."""
    table = Table(*([7] * 95))
    queue = TimerQueue()
    loads = 1
    while queue.load(0, 0, table.since(queue.horizon), 10):
        loads += 1
        assert len(queue) == 10 * (loads - 1)
    assert loads == 10 and len(queue) == 95
    assert table.read_count <= 95 + loads  # linear
    assert sorted(queue.due(7, 100)) == table.keys


def test_what_is_held_is_bounded() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_module, "HELD_MAX", 10)
        table = Table(*([7] * 15), *range(100, 130))
        queue = TimerQueue()
        fired: list[bytes] = []
        for now_ms in range(200):
            load(queue, table, now_ms, 4)
            assert len(queue) <= 14
            fired += queue.due(now_ms, 4)
        while len(queue):
            fired += queue.due(200, 4)
            load(queue, table, 200, 4)
        assert sorted(fired) == table.keys


def test_a_timer_armed_first_is_said_to_be_the_first() -> None:
    queue = TimerQueue()
    load(queue, Table(), 0)
    assert queue.add(key(500), 500, 0)
    assert not queue.add(key(600), 600, 0)
    assert queue.add(key(400), 400, 0)
    assert not queue.add(key(400), 400, 0)  # armed again
    assert queue.first_ms() == 400
    assert len(queue) == 3


def test_what_is_held_keeps_its_interval_when_the_wall_clock_is_set() -> None:
    queue = TimerQueue()
    queue.load(NOON_MS, 0, Table(NOON_MS + 3_000).since(b""), LOAD_COUNT)
    assert queue.due(2_999, 10) == []
    assert len(queue.due(3_000, 10)) == 1


def test_after_a_step_back_new_timers_are_held_or_left_as_before() -> None:
    queue = TimerQueue()
    queue.load(NOON_MS, 0, iter(()), LOAD_COUNT)
    hour_ms = 3_600_000
    queue.clock_set_back(NOON_MS - hour_ms)
    assert queue.add(key(NOON_MS - hour_ms + 3_000), 3_000, 10)
    assert not queue.add(key(NOON_MS - 1, 1), hour_ms - 1, 10)
    assert len(queue.due(3_010, 10)) == 1 and len(queue) == 0
    table = Table(NOON_MS - 1)
    load_at_ms = NOON_MS - 50_000  # the wall clock comes near once more
    assert queue.needs_load(load_at_ms)
    queue.load(load_at_ms, 0, table.since(queue.horizon), LOAD_COUNT)
    assert queue.first_ms() == 49_999


def test_the_earlier_of_two_times_for_a_timer_counts() -> None:
    queue = TimerQueue()
    queue.add(key(9), 500, 0)
    assert queue.add(key(9), 300, 0)
    assert queue.due(300, 10) == [key(9)]
    assert queue.due(1_000, 10) == [] and queue.first_ms() is None


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
        while next_ms(queue, now_ms) <= at_ms or queue.needs_load(now_ms):
            now_ms = max(now_ms, min(at_ms, next_ms(queue, now_ms)))
            load(queue, table, now_ms)
            due = queue.due(now_ms, 3)
            assert all(due_of(k) <= now_ms for k in due)
            fired += due
        now_ms = at_ms
        new = key(at_ms + delay_ms, 1_000 + number)
        table.keys = sorted([*table.keys, new])
        queue.add(new, delay_ms, now_ms)
    now_ms = 1_000_000
    for _ in range(300):
        load(queue, table, now_ms)
        fired += queue.due(now_ms, 3)
    assert sorted(set(fired)) == table.keys
    # One that was held before its row was loaded may come once more: its row has gone by then.
    assert len(fired) - len(table.keys) <= len(armed)


def test_the_last_time_armed_for_a_retry_counts() -> None:
    retries = RetryQueue(lambda retry: True)
    retries.arm(Retry(100, b"a", 1, 100))
    retries.arm(Retry(300, b"a", 1, 300))
    retries.arm(Retry(200, b"b", 1, 200))
    retries.arm(Retry(200, b"b", 1, 200))
    assert retries.first_ms() == 200
    assert retries.due(250, 9) == [Retry(200, b"b", 1, 200)]
    retries.arm(Retry(260, b"c", 1, 260))
    retries.drop(b"c")
    assert retries.first_ms() == 300
    assert retries.due(1_000, 9) == [Retry(300, b"a", 1, 300)]
    assert retries.first_ms() is None and len(retries) == 0


def test_a_retry_armed_once_more_for_the_same_time_is_not_later() -> None:
    retries = RetryQueue(lambda retry: True)
    retries.arm(Retry(100, b"a", 1, 7_000))
    retries.arm(Retry(900, b"a", 1, 7_000))
    assert retries.first_ms() == 100


def test_retries_come_a_bounded_number_at_a_time() -> None:
    retries = RetryQueue(lambda retry: True)
    for number in range(10):
        retries.arm(Retry(5, bytes([number]), 1, 5))
    assert [len(retries.due(5, 4)) for _ in range(4)] == [4, 4, 2, 0]


def test_of_very_many_retries_each_comes_once_in_its_time_if_it_is_owed() -> None:
    owed: dict[bytes, Retry] = {}
    retries = RetryQueue(lambda retry: owed.get(retry.id) == retry)
    for number in range(ARMED_MAX + 5_000):
        due_ms = 1_000 + 37 * number % 10_000
        retry = Retry(due_ms, number.to_bytes(24, "big"), number << 20, due_ms + 7)
        owed[retry.id] = retry
        retries.arm(retry)
    assert len(retries) == len(owed)
    for retry in list(owed.values())[::3]:
        retries.drop(retry.id)
        if retry.due_ms % 2:  # it is over; the others failed once more
            del owed[retry.id]
        else:
            later = owed[retry.id] = retry._replace(due_ms=retry.due_ms + 5_000, at_ms=9)
            retries.arm(later)
    taken: dict[bytes, Retry] = {}
    for now_ms in range(0, 17_000, 50):
        assert (first := retries.first_ms()) is None or first >= now_ms - 50 - 999
        while retries.is_due(now_ms):
            for retry in retries.due(now_ms, 64):
                assert now_ms - 50 < retry.due_ms <= now_ms and retry.id not in taken
                taken[retry.id] = retry
    assert taken == owed and not len(retries)


def test_a_retry_costs_few_bytes() -> None:
    """A million may wait: as objects they took 350 each."""
    retries = RetryQueue(lambda retry: True)
    for number in range(ARMED_MAX):
        retries.arm(Retry(9, number.to_bytes(24, "big"), 1, 9))
    tracemalloc.start()
    try:
        for number in range(20_000):
            due_ms = 1_000_000 + number
            retries.arm(Retry(due_ms, number.to_bytes(25, "big"), number << 20, due_ms))
        assert tracemalloc.get_traced_memory()[0] / 20_000 < 65
    finally:
        tracemalloc.stop()


def test_however_many_come_below_the_horizon_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are rows again, are loaded when there is room, and none is late or lost."""
    monkeypatch.setattr(queue_module, "HELD_MAX", 10)
    queue, table = TimerQueue(), Table()
    load(queue, table, 0)
    dues = [1_000 + 37 * n % 500 for n in range(500)]
    for number, due in enumerate(dues):
        table.keys.append(key(due, number))
        queue.add(key(due, number), due, 0)
        assert len(queue) <= 20
    table.keys.sort()
    fired = []
    for now_ms in range(0, 2_000, 5):
        while True:
            load(queue, table, now_ms)
            come = queue.due(now_ms, 7)
            if not come:
                break
            assert all(now_ms - due_of(k) < 5 for k in come)
            fired += come
            table.keys = [k for k in table.keys if k not in come]
    assert sorted(fired) == sorted(key(due, number) for number, due in enumerate(dues))
