"""Work of topics is bounded in each record, and twice as much of it costs twice as much."""

from collections.abc import Callable

import pytest

from orchestrator.machine import apply_chore, apply_letters, apply_produced, state_chores
from orchestrator.model.answers import Answer
from orchestrator.model.effects import SetState
from orchestrator.model.ids import idempotent_id
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.topic_records import CloseLane, Produced, PurgeDeadLetters, SwitchFeed
from orchestrator.model.topics import FEED_STATE, FeedTopic
from orchestrator.model.values import OBJECT_EXCLUSIVE
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.machine.bench import uid
from tests.unit.machine.costs import CostBench
from tests.unit.machine.topic_records import (
    intake,
    letters,
    opened,
    produced,
    request,
    send,
    source_at,
    source_row,
    taken,
    unusable,
)

RECORD_MAX = 150  # looks at rows that one record may take, with bounds of a tenth
SOURCE = source_at(0, 1)
VALUE = frame(codes.SET_STATE, b"v")


def slots_of_a_source(bench: CostBench, n: int) -> None:
    """Taken in order, freed in the other."""
    bench.do(opened(bench, SOURCE))
    invokes = [taken(bench, SOURCE, offset, reply=None) for offset in range(n)]
    for offset, invoke in enumerate(invokes):
        bench.do(intake(bench, SOURCE, offset, invoke))
    for invoke in reversed(invokes):
        bench.finish(invoke.id)
    assert source_row(bench).live == []


def records_that_wait_for_one_result(bench: CostBench, n: int) -> None:
    bench.do(opened(bench, SOURCE))
    identity = idempotent_id("Counter", None, "add", "once")
    for offset in range(n):
        invoke = taken(bench, SOURCE, offset, id=identity, idempotency_key="once")
        bench.do(intake(bench, SOURCE, offset, invoke))
    bench.finish(identity)
    bench.do_chores()
    assert len(produced(bench)) == n


def sends_that_are_committed(bench: CostBench, n: int) -> None:
    for number in range(n):
        send(bench, uid(number + 1), request(True))
    for upto in range(20, n + 20, 20):
        bench.do(Produced(bench.epoch, bench.now_ms, MINTED_FIRST, min(upto, n)))
    assert not produced(bench)


def a_lane_that_is_closed(bench: CostBench, n: int) -> None:
    for number in range(n):
        send(bench, uid(number + 1), request(False))
    bench.do(CloseLane(bench.epoch, bench.now_ms, MINTED_FIRST))
    bench.do_chores()
    assert len(letters(bench)) == n


def dead_letters_that_are_old(bench: CostBench, n: int) -> None:
    bench.do(opened(bench, SOURCE))
    for offset in range(n):
        bench.do(intake(bench, SOURCE, offset, unusable(bench, SOURCE, offset)))
    purge = PurgeDeadLetters(bench.epoch, bench.now_ms, bench.now_ms + 1)
    while bench.do(purge) is Answer.ACCEPTED:
        pass
    assert not letters(bench) and not bench.state.partition_row.letter_bytes


def a_state_feed_that_is_switched_on(bench: CostBench, n: int) -> None:
    for number in range(n):
        identity = uid(number + 1)
        bench.invoke(identity, service="Cart", key=f"k{number}", kind=OBJECT_EXCLUSIVE)
        bench.flush(identity, SetState(b"a", 8, 9), frames=VALUE)
    feed = FeedTopic("log", "perdure.state.Cart")
    bench.do(SwitchFeed(bench.epoch, bench.now_ms, FEED_STATE, "Cart", "log", feed))
    bench.do_chores()
    assert len(produced(bench)) == n


LOADS: list[Callable[[CostBench, int], None]] = [
    slots_of_a_source,
    records_that_wait_for_one_result,
    sends_that_are_committed,
    a_lane_that_is_closed,
    dead_letters_that_are_old,
    a_state_feed_that_is_switched_on,
]


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.__name__)
def test_bounded_and_linear(
    load: Callable[[CostBench, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (apply_chore, apply_produced, state_chores):
        monkeypatch.setattr(module, "CHORE_STEP_COUNT", 20)
    monkeypatch.setattr(apply_letters, "PURGE_STEP_COUNT", 20)
    looks, written = [], []
    for n in (300, 600):
        bench = CostBench()
        load(bench, n)
        assert max(bench.costs) <= RECORD_MAX
        looks.append(sum(bench.costs))
        written.append(bench.worn.written_bytes)
    assert looks[1] <= 2.3 * looks[0]
    if load is not slots_of_a_source:  # its row, of a bounded number of offsets, is written anew
        assert written[1] <= 2.3 * written[0]
