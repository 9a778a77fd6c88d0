"""Slots: shares of deployments, turns among those that wait."""

import gc
import tracemalloc
from time import process_time
from typing import Any

from orchestrator.invoker.overflow import PAGE_BYTES
from orchestrator.invoker.slot_queue import HELD_MAX, SlotQueue, SlotWaiter
from orchestrator.invoker.slots import FEW, FEW_BYTES, Slots
from orchestrator.invoker.window import LARGE, OpeningWindow

LOTS = 1 << 40
SOURCE: Any = object()
OTHER: Any = object()


def slots(total_max: int = 1000, per_deployment_max: int = 1000) -> Slots:
    return Slots(total_max, per_deployment_max, LOTS, LOTS)


def take(of: Slots, deployment: str) -> OpeningWindow:
    """One more that its service has answered."""
    window = of.take(deployment)
    window.answered(1)
    return window


def take_all(of: Slots, deployment: str) -> int:
    """As many as it gets; its service answers none of them, ever."""
    taken = 0
    while of.has_room(deployment):
        take(of, deployment)
        taken += 1
    return taken


def waiter(
    name: str, *, goes_on: bool = False, is_recovered: bool = False, source: Any = SOURCE
) -> SlotWaiter:
    """Named after its deployment."""
    return SlotWaiter(source, name.encode(), 1, 1, name[0], goes_on, is_recovered)


def wait(of: Slots, *names: str, goes_on: bool = False, source: Any = SOURCE) -> None:
    for name in names:
        of.wait(waiter(name, goes_on=goes_on, source=source))


def next_of(of: Slots) -> str | None:
    found = of.next()
    return None if found is None else found.id.decode()


def leave(of: Slots, name: str) -> None:
    found = of.find(name.encode())
    assert found is not None
    of.leave(found)


def drain(of: Slots) -> list[str]:
    found = []
    while (name := next_of(of)) is not None:
        found.append(name)
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
    leave(some, "b1")
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
    assert next_of(some) == "b1"
    assert some.next() is None
    some.give("a", 0)
    assert next_of(some) == "a1"


def test_very_many_full_deployments_do_not_hide_one_that_has_room() -> None:
    some = slots(10_000, 1)
    for number in range(500):
        some.take(f"full {number}")
        some.wait(SlotWaiter(SOURCE, b"%d" % number, 1, 1, f"full {number}"))
    some.wait(SlotWaiter(SOURCE, b"next", 1, 1, "has room"))
    assert "next" in [next_of(some) for _ in range(10)]


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
            some.wait(waiter(f"a old {number}", goes_on=number % 2 == 0, is_recovered=True))
        for number in range(3):
            some.wait(waiter(f"a new {number}", goes_on=number == 2))
        assert some.waiting_of("a") == some.waiting_count == count + 3
        taken = [next_of(some) for _ in range(8)]
        assert taken[:6] == ["a old 0", "a new 2", "a old 2", "a new 0", "a old 4", "a new 1"]
        assert taken[6:] == ["a old 6", "a old 8"]
        leave(some, "a old 1")
        assert len(drain(some)) == count + 3 - 9 and not some.waiting_count


def test_neither_new_nor_recovered_ones_pass_by_the_others_that_wait() -> None:
    some = slots()
    some.wait(waiter("a", is_recovered=True))
    assert some.has_waiting("a", goes_on=False) and some.has_waiting("a", goes_on=True)
    assert not some.has_waiting("a", goes_on=True, is_recovered=True)


def test_whoever_leaves_is_forgotten() -> None:
    some = slots(1, 1)
    take(some, "a")
    for number in range(100):
        wait(some, f"a{number}")
        leave(some, f"a{number}")
        assert some.find(b"a%d" % number) is None
    assert some.waiting_count == some.waiting_of("a") == 0
    assert not some.short_of_slots
    some.give("a", 0)
    assert some.next() is None


# --- memory ---


def test_memory_has_shares_too_and_one_attempt_always_runs() -> None:
    some: Slots = Slots(10_000, 10_000, 64 * FEW_BYTES, 64 * FEW_BYTES)

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
    some: Slots = Slots(80, 10, 1000, 50)
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
    assert next_of(some) == "a next"


def _drain_s(count: int) -> float:
    some = slots(LOTS, LOTS)
    for number in range(count):
        some.wait(SlotWaiter(SOURCE, number.to_bytes(4, "big"), 1, 1, "a"))
    begun_s = process_time()
    assert sum(1 for _ in iter(some.next, None)) == count
    return process_time() - begun_s


def test_taking_the_next_costs_the_same_however_long_the_line_is() -> None:
    """A dict that is emptied from the front would walk the holes: twice as many, four times as
    much."""
    once_s, twice_s = (min(_drain_s(count) for _ in range(3)) for count in (30_000, 60_000))
    assert twice_s < 3 * once_s


def test_queues_of_many_that_left_are_walked_over_and_keep_their_order() -> None:
    queue = SlotQueue("a", {})
    for first in (0, 2 * HELD_MAX):
        some = [waiter(f"a{number}") for number in range(first, first + HELD_MAX - 10)]
        for one in some:
            queue.add(one)
        for one in some[:-10]:
            queue.remove(one)
    assert len(queue) == 20
    for _ in range(3):
        gone = waiter("a gone")
        queue.add(gone)
        queue.remove(gone)
    assert len(queue._new.begin._held) < 2 * 20 + 1_002
    queue.add(waiter("a again"))
    taken = [queue.take() for _ in range(21)]
    numbers = [*range(980, 990), *range(2_980, 2_990)]
    names = [*(f"a{number}" for number in numbers), "a again"]
    assert [one.id.decode() for one in taken if one] == names
    assert not queue


# --- very many ---


def test_very_many_come_in_order_and_partitions_take_turns() -> None:
    some = slots(1, 1)
    numbers = range(HELD_MAX, HELD_MAX + 3_000)
    wait(some, *(f"a held {number}" for number in range(HELD_MAX)))
    wait(some, *(f"a {number}" for number in numbers))
    wait(some, *(f"a other {number}" for number in numbers), source=OTHER)
    assert some.find(b"a held 1") is not None
    assert some.find(b"a %d" % numbers[0]) is None and len(some.held()) == HELD_MAX
    assert some.waiting_count == HELD_MAX + 6_000
    taken = drain(some)
    assert taken[:HELD_MAX] == [f"a held {number}" for number in range(HELD_MAX)]
    mine = [name for name in taken[HELD_MAX:] if not name.startswith("a other")]
    others = [name for name in taken if name.startswith("a other")]
    assert mine == [f"a {number}" for number in numbers]
    assert others == [f"a other {number}" for number in numbers]
    assert taken.index(others[0]) < HELD_MAX + PAGE_BYTES // 10, "after a page, not after all"
    assert not some.waiting_count and not some.held()


def test_a_partition_is_forgotten_with_all_that_wait_of_it() -> None:
    some = slots(1, 1)
    wait(some, *(f"a{number}" for number in range(2 * HELD_MAX)))
    wait(some, *(f"a other {number}" for number in range(HELD_MAX)), source=OTHER)
    some.forget(SOURCE)
    assert some.waiting_count == 2 * HELD_MAX
    for one in some.held():
        some.leave(one)
    assert drain(some) == [f"a other {number}" for number in range(HELD_MAX)]


def test_what_waits_twice_is_counted_until_it_comes_out_once() -> None:
    some = slots(1, 1)
    for _ in range(2):
        wait(some, *(f"a{number}" for number in range(HELD_MAX + 10)))
    taken = drain(some)
    assert not some.waiting_count
    assert set(taken) == {f"a{number}" for number in range(HELD_MAX + 10)}


def test_one_that_waits_costs_few_bytes() -> None:
    """A million may wait: as objects that can be found they took 350 bytes each."""
    some = slots(1, 1)
    wait(some, *(f"a{number}" for number in range(HELD_MAX)))
    assert not gc.is_tracked(some.held()[0])
    tracemalloc.start()
    try:
        for number in range(20_000):
            some.wait(SlotWaiter(SOURCE, number.to_bytes(24, "big"), number << 20, 1, "a"))
        assert tracemalloc.get_traced_memory()[0] / 20_000 < 45
    finally:
        tracemalloc.stop()
