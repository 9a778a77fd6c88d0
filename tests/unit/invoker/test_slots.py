"""Slots: shares of deployments, turns among those that wait."""

import gc
import tracemalloc
from time import process_time
from typing import Any

from orchestrator.invoker.slot_queue import SlotQueue, SlotWaiter
from orchestrator.invoker.slots import FEW, FEW_BYTES, Slots
from orchestrator.invoker.window import LARGE, OpeningWindow

LOTS = 1 << 40


def slots(total_max: int = 1000, per_deployment_max: int = 1000) -> Slots[str]:
    return Slots(total_max, per_deployment_max, LOTS, LOTS)


def take(of: Slots[str], deployment: str) -> OpeningWindow:
    """One more that its service has answered."""
    window = of.take(deployment)
    window.answered(1)
    return window


def take_all(of: Slots[str], deployment: str) -> int:
    """As many as it gets; its service answers none of them, ever."""
    taken = 0
    while of.has_room(deployment):
        take(of, deployment)
        taken += 1
    return taken


def wait(of: Slots[str], *items: str, goes_on: bool = False) -> None:
    """Items are named after their deployment."""
    for item in items:
        of.wait(item[0], item.encode(), item, goes_on=goes_on)


def drain(of: Slots[str]) -> list[str]:
    found = []
    while (item := of.next()) is not None:
        found.append(item)
    return found


# --- shares ---


def test_a_deployment_gets_more_slots_while_as_many_are_free() -> None:
    some = slots(8000, 8000)
    assert [take_all(some, name) for name in "abcd"] == [4000, 2000, 1000, 500]


def test_however_many_hang_a_service_that_answers_gets_slots() -> None:
    some = slots(8000, 4000)
    hung = sum(take_all(some, f"hung {number}") for number in range(200))
    assert hung <= 8000 + 200 * FEW
    assert take_all(some, "answers") == FEW
    for _ in range(10_000):
        some.give("answers", 0)
        assert some.has_room("answers")
        take(some, "answers")
    assert not any(some.has_room(f"hung {number}") for number in range(200))


def test_busy_deployments_get_equal_shares_in_the_end() -> None:
    some = slots(90, 90)
    assert take_all(some, "a") == 45
    for _ in range(200):  # both always have more to do, and theirs end one by one
        for name in "ab":
            if some.running_of(name):
                some.give(name, 0)
        for name in "ba":
            take_all(some, name)
    assert abs(some.running_of("a") - some.running_of("b")) <= 2
    assert some.running_of("a") >= 29


def test_a_deployment_has_its_own_limit() -> None:
    some = slots(10, 2)
    assert take_all(some, "a") == 2
    assert some.is_short("a") and not some.is_short("b")
    some.bound("b", 1)
    assert take_all(some, "b") == 1
    wait(some, "b1")
    assert some.short_of_slots
    assert some.contended_count is None  # nobody else is in its way


def test_who_is_in_the_way_of_one_that_waits_for_a_free_slot() -> None:
    some = slots(16, 16)
    take_all(some, "a")
    take_all(some, "b")
    wait(some, "b1")
    assert some.contended_count == some.running_of("b") == 4
    some.leave("b", b"b1")
    assert some.contended_count is None and some.waiting_count == 0


# --- turns ---


def test_waiting_deployments_take_turns() -> None:
    some = slots()
    wait(some, "a1", "a2", "a3", "b1")
    assert drain(some) == ["a1", "b1", "a2", "a3"]
    assert some.waiting_count == 0


def test_a_full_deployment_does_not_hold_up_others() -> None:
    some = slots(10, 1)
    take(some, "a")
    wait(some, "a1", "b1")
    assert some.next() == "b1"
    assert some.next() is None
    some.give("a", 0)
    assert some.next() == "a1"


def test_very_many_full_deployments_do_not_hide_one_that_has_room() -> None:
    some = slots(10_000, 1)
    for number in range(500):
        some.take(f"full {number}")
        some.wait(f"full {number}", b"%d" % number, "full", goes_on=False)
    some.wait("has room", b"x", "next", goes_on=False)
    assert "next" in [some.next() for _ in range(10)]


def test_what_goes_on_comes_before_what_begins() -> None:
    some = slots(1, 1)
    take(some, "a")
    wait(some, "a begins")
    assert some.has_waiting("a", goes_on=False)
    assert not some.has_waiting("a", goes_on=True)
    wait(some, "a goes on", goes_on=True)
    some.give("a", 0)
    assert drain(some) == ["a goes on", "a begins"]


def test_new_ones_and_those_of_a_recovery_alternate_however_many_there_are() -> None:
    for count in (1_000, 20_000):
        some = slots(16, 16)
        for number in range(count):
            old = b"old %d" % number
            some.wait("a", old, "old", goes_on=number % 2 == 0, is_recovered=True)
        for number in range(3):
            some.wait("a", b"new %d" % number, f"new {number}", goes_on=number == 2)
        assert some.waiting_of("a") == some.waiting_count == count + 3
        taken = [some.next() for _ in range(8)]
        assert taken[:6] == ["old", "new 2", "old", "new 0", "old", "new 1"]
        assert taken[6:] == ["old", "old"]
        some.leave("a", b"old %d" % (count - 1))
        assert len(drain(some)) == count + 3 - 9 and not some.waiting_count


def test_neither_new_nor_recovered_ones_pass_by_the_others_that_wait() -> None:
    some = slots()
    some.wait("a", b"x", "x", goes_on=False, is_recovered=True)
    assert some.has_waiting("a", goes_on=False) and some.has_waiting("a", goes_on=True)
    assert not some.has_waiting("a", goes_on=True, is_recovered=True)


def test_whoever_leaves_is_forgotten() -> None:
    some = slots(1, 1)
    take(some, "a")
    for number in range(100):
        wait(some, f"a{number}")
        some.leave("a", b"a%d" % number)
        some.leave("a", b"never came")
    assert some.waiting_count == some.waiting_of("a") == 0
    assert not some.short_of_slots
    some.give("a", 0)
    assert some.next() is None


# --- memory ---


def test_memory_has_shares_too_and_one_attempt_always_runs() -> None:
    some: Slots[str] = Slots(10_000, 10_000, 64 * FEW_BYTES, 64 * FEW_BYTES)

    def hold(deployment: str, size_bytes: int) -> None:
        take(some, deployment).memory_bytes += size_bytes
        some.memory_bytes += size_bytes

    for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i"):
        while some.has_room(name):
            hold(name, FEW_BYTES // 8)
    assert some.memory_bytes <= 64 * FEW_BYTES + 9 * FEW_BYTES
    hold("z", 0)
    assert some.has_room("z"), "what is held by others is not held against it"
    hold("z", FEW_BYTES + 1)
    assert not some.has_room("z") and some.is_over_memory("z")
    assert some.has_room("y")
    hold("y", 32 * FEW_BYTES)
    assert not some.is_over_memory("y"), "its only attempt may hold what it needs"


def test_a_deployment_has_a_memory_limit_of_its_own() -> None:
    some: Slots[str] = Slots(80, 10, 1000, 50)
    window = take(some, "a")
    take(some, "a")
    window.memory_bytes += 60
    assert some.is_over_memory("a") and not some.has_room("a") and some.has_room("b")
    window.memory_bytes -= 60
    assert some.has_room("a") and not some.is_over_memory("a")


# --- openings ---


def test_only_so_many_are_opening_at_a_time() -> None:
    some = slots()
    for _ in range(LARGE):
        assert some.has_room("a")
        window = some.take("a")
    assert not some.has_room("a") and some.has_room("b")
    assert not some.is_short("a")
    wait(some, "a next")
    assert some.next() is None
    assert not some.short_of_slots
    window.answered(5)
    assert some.next() == "a next"


def _drain_s(count: int) -> float:
    some = slots(LOTS, LOTS)
    for number in range(count):
        some.wait("a", number.to_bytes(4, "big"), "x", goes_on=False)
    begun_s = process_time()
    assert len(drain(some)) == count
    return process_time() - begun_s


def test_taking_the_next_costs_the_same_however_long_the_line_is() -> None:
    """A dict that is emptied from the front would walk the holes: twice as many, four times as
    much."""
    once_s, twice_s = (min(_drain_s(count) for _ in range(3)) for count in (30_000, 60_000))
    assert twice_s < 3 * once_s


def test_queues_of_many_that_left_are_walked_over_once_and_keep_their_order() -> None:
    queue: SlotQueue[int] = SlotQueue()
    for number in range(5_000):
        queue.add(b"%d" % number, number + 1, False, False)
    for number in range(4_990):
        assert queue.remove(b"%d" % number) and not queue.remove(b"%d" % number)
    assert len(queue) == 10
    assert len(queue._new.begin._order) < 2 * 10 + 1_002
    queue.add(b"again", 7, False, False)
    queue.remove(b"again")
    queue.add(b"again", 8, False, False)
    assert [queue.take() for _ in range(11)] == [*range(4_991, 5_001), 8]
    assert not queue


def test_one_that_waits_costs_few_bytes() -> None:
    """A million may wait: with OrderedDicts, and attempts that the collector walks over, 350."""
    tracemalloc.start()
    try:
        some: Slots[SlotWaiter] = Slots(1, 1, LOTS, LOTS)
        source: Any = object()
        waiting = {}
        for number in range(20_000):
            waiter = SlotWaiter(source, number.to_bytes(24, "big"), number << 20, "a")
            waiting[waiter.id] = waiter
            some.wait("a", waiter.id, waiter, goes_on=False)
        assert not gc.is_tracked(waiter)
        assert tracemalloc.get_traced_memory()[0] / 20_000 < 330
    finally:
        tracemalloc.stop()
