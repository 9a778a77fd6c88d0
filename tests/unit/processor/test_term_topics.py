"""What a term has of topics: how its lanes hold its sources back."""

from types import SimpleNamespace
from typing import Any

from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.rows import PartitionRow
from orchestrator.model.topic_records import Produced
from orchestrator.outbox.port import LaneView
from orchestrator.processor.topics import FULL_FOR_MS, LANES_ROWS_MAX, NodeTopics, TermTopics
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import request, send
from tests.unit.processor.virtual_loop import run


class CountedLanes(dict[int, Lane]):
    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()


class StandingClock:
    def __init__(self) -> None:
        self.at_ms = 1000

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms


def test_lanes_are_walked_seldom_however_often_sources_ask() -> None:
    async def story() -> None:
        lanes = CountedLanes({1 << 16: Lane(ToTopic("log", "answers"))})
        row = PartitionRow()
        row.lanes = lanes
        clock = StandingClock()
        state: Any = SimpleNamespace(partition=0, partition_count=1, partition_row=row)
        around: Any = SimpleNamespace(clock=clock, scheduler=None, topics=NodeTopics())
        term = TermTopics(state, around, lambda record: None, lambda: False)
        assert not any(term.is_pressed() for _ in range(1000))
        assert lanes.walks == 1
        lanes[1 << 16].given = LANES_ROWS_MAX + 1
        clock.at_ms += FULL_FOR_MS
        assert all(term.is_pressed() for _ in range(1000))
        assert lanes.walks == 2
        lanes[1 << 16].trimmed = LANES_ROWS_MAX
        clock.at_ms += FULL_FOR_MS
        assert not term.is_pressed()

    run(story())


def test_lanes_with_rows_are_shown_with_the_age_of_their_oldest() -> None:
    bench = Bench()
    first_ms = bench.now_ms
    send(bench, uid(1), request(True, "answers"))
    bench.now_ms += 500
    send(bench, uid(2), request(True, "answers"))
    (number,) = bench.state.partition_row.topic_lanes.values()
    around: Any = SimpleNamespace(clock=StandingClock(), scheduler=None, topics=NodeTopics())
    term = TermTopics(bench.state, around, lambda record: None, lambda: False)
    assert dict(term.lane_views()) == {number: LaneView(first_ms)}
    bench.do(Produced(bench.epoch, bench.now_ms, number, 2))
    assert dict(term.lane_views()) == {}
