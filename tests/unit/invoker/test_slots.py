"""Slots: limits in all and per deployment, turns among those that wait."""

from orchestrator.invoker.slots import Slots
from orchestrator.invoker.window import LARGE


def test_limits_in_all_and_per_deployment() -> None:
    slots: Slots[str] = Slots(3, 2, 1000, 1000)
    for deployment in ("a", "a", "b"):
        assert slots.has_room(deployment)
        slots.take(deployment)
    assert slots.is_full and slots.is_deployment_full("a")
    slots.give("b", 0)
    assert slots.has_room("b") and not slots.has_room("a")


def test_waiting_deployments_take_turns() -> None:
    slots: Slots[str] = Slots(1, 1, 1000, 1000)
    slots.take("x")
    for item in ("a1", "a2", "a3"):
        slots.wait("a", item)
    slots.wait("b", "b1")
    assert slots.next() is None
    order = []
    slots.give("x", 0)
    while (item_now := slots.next()) is not None:
        order.append(item_now)
    assert order == ["a1", "b1", "a2", "a3"]
    assert slots.waiting_count == 0


def test_a_full_deployment_does_not_hold_up_others() -> None:
    slots: Slots[str] = Slots(10, 1, 1000, 1000)
    slots.take("a")
    slots.wait("a", "a1")
    slots.wait("b", "b1")
    assert slots.next() == "b1"
    assert slots.next() is None
    slots.give("a", 0)
    assert slots.next() == "a1"


def test_memory_is_a_limit_but_never_stops_everything() -> None:
    slots: Slots[str] = Slots(10, 10, 100, 100)
    window = slots.take("a")
    slots.memory_bytes += 150
    assert slots.is_full and slots.is_over_memory(window)
    slots.give("a", 150)
    assert not slots.is_full
    slots.memory_bytes += 200  # what is held although nothing runs
    assert not slots.is_full


def test_a_deployment_has_a_share_of_the_memory_but_one_of_its_attempts_always_runs() -> None:
    slots: Slots[str] = Slots(10, 10, 100, 50)
    assert slots.has_room("a")
    window = slots.take("a")
    window.memory_bytes += 60
    assert slots.is_over_memory(window)
    assert not slots.has_room("a") and slots.has_room("b")
    assert not slots.is_over_memory(slots.take("b"))
    window.memory_bytes -= 60
    assert slots.has_room("a")


def test_what_goes_on_comes_before_what_begins() -> None:
    slots: Slots[str] = Slots(1, 1, 1 << 20, 1 << 20)
    slots.take("a")
    slots.wait("a", "begins")
    assert slots.has_waiting("a", goes_on=False)
    assert not slots.has_waiting("a", goes_on=True)
    slots.wait("a", "goes on", goes_on=True)
    slots.give("a", 0)
    assert [slots.next(), slots.next()] == ["goes on", "begins"]


def test_only_so_many_are_opening_at_a_time() -> None:
    slots: Slots[str] = Slots(1000, 1000, 1 << 30, 1 << 30)
    for _ in range(LARGE):
        assert slots.has_room("a")
        window = slots.take("a")
    assert not slots.has_room("a") and slots.has_room("b")
    assert not slots.is_full and not slots.is_short("a")
    slots.wait("a", "next")
    assert slots.next() is None
    assert not slots.short_of_slots
    window.answered(5)
    assert slots.next() == "next"


def test_a_deployment_may_be_bound_to_fewer_slots() -> None:
    slots: Slots[str] = Slots(10, 5, 1 << 30, 1 << 30)
    slots.bound("a", 2)
    slots.take("a")
    slots.take("a")
    slots.wait("a", "third")
    assert slots.is_short("a") and slots.short_of_slots
    assert not slots.is_short("b")
