"""Lanes: numbers that are never used twice, counts, and rows that go when they are taken."""

from orchestrator.codec.keys import outbox_key
from orchestrator.machine import lanes
from orchestrator.machine.apply import apply_item
from orchestrator.machine.step import Step
from orchestrator.model.actions import AnyAction, SendOutbox
from orchestrator.model.lanes import MINTED_FIRST, AnyDestination, Lane, ToPartition, ToTopic
from orchestrator.model.records import Cancel, OutboxAdvanced
from orchestrator.model.topic_records import Produce
from orchestrator.model.topics import SEND
from tests.unit.machine.bench import Bench

RECORD = Produce(SEND, None, b"k", (), b"v", 0)
HELD = lanes.produce_bytes(RECORD)
ORDERS, BILLS = ToTopic("log", "orders"), ToTopic("log", "bills")


def give(bench: Bench, destination: AnyDestination) -> list[AnyAction]:
    actions: list[AnyAction] = []
    step = Step(bench.state, 1 << 20, bench.now_ms, actions, apply_item, 0)
    item = Cancel(bytes(24), 0) if isinstance(destination, ToPartition) else RECORD
    lanes.give(step, destination, item)
    return actions


def keys_of(bench: Bench) -> list[bytes]:
    return [key for key, _ in bench.state.outbox.scan()]


def test_rows_of_each_lane_are_numbered_from_one() -> None:
    bench = Bench(0, 4)
    for destination in (ToPartition(3), ORDERS, ToPartition(3), BILLS, ORDERS):
        give(bench, destination)
    first, second = MINTED_FIRST, MINTED_FIRST + 1
    assert bench.state.partition_row.lanes == {
        3: Lane(ToPartition(3), 2),
        first: Lane(ORDERS, 2, held_bytes=2 * HELD),
        second: Lane(BILLS, 1, held_bytes=HELD),
    }
    assert keys_of(bench) == [
        outbox_key(3, 1),
        outbox_key(3, 2),
        outbox_key(first, 1),
        outbox_key(first, 2),
        outbox_key(second, 1),
    ]
    assert give(bench, BILLS) == [SendOutbox(second)]


def test_a_lane_that_comes_back_has_another_number() -> None:
    """What is said of the old one must not touch the new one."""
    bench = Bench(0, 4)
    give(bench, ORDERS)
    own = bench.state.partition_row
    bench.do(OutboxAdvanced(bench.epoch, ((MINTED_FIRST, 1),)))
    del own.lanes[own.topic_lanes.pop(("log", "orders"))]
    give(bench, ORDERS)
    assert list(own.lanes) == [MINTED_FIRST + 1]
    bench.do(OutboxAdvanced(bench.epoch, ((MINTED_FIRST, 9),)))
    assert keys_of(bench) == [outbox_key(MINTED_FIRST + 1, 1)]


def test_trimming_is_idempotent_and_takes_no_more_than_was_given() -> None:
    bench = Bench(0, 4)
    for _ in range(3):
        give(bench, ORDERS)
    for upto, left in ((2, 1), (1, 1), (99, 0), (99, 0)):
        bench.do(OutboxAdvanced(bench.epoch, ((MINTED_FIRST, upto),)))
        assert len(keys_of(bench)) == left
    assert bench.state.partition_row.lanes[MINTED_FIRST] == Lane(ORDERS, 3, 3)
    give(bench, ORDERS)
    assert keys_of(bench) == [outbox_key(MINTED_FIRST, 4)]
