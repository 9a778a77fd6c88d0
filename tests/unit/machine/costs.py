"""What records cost, in looks at rows: counted, so that a loaded machine makes no difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from orchestrator.model.answers import Answer
from orchestrator.model.records import AnyRecord, ChoreStep
from orchestrator.store.memory import MemoryStore
from orchestrator.tables.state import State
from orchestrator.tables.table import Table
from tests.unit.machine.bench import Bench

SPILL_EVERY = 5


class WornStore(MemoryStore):
    """What was deleted stays in the way of scans, as in a store that has not compacted yet."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[bytes] = set()
        self.passed = 0
        self.written_bytes = 0

    def write(self, writes: Any) -> None:
        super().write(writes)
        for key, value in writes:
            self.written_bytes += len(key) + len(value or b"")
            (self.dead.add if value is None else self.dead.discard)(key)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        dead = sorted(key for key in self.dead if start <= key < stop)
        for key, value in super().scan(start, stop):
            while dead and dead[0] < key:
                dead.pop(0)
                self.passed += 1
            yield key, value
        self.passed += len(dead)


class CostBench(Bench):
    """Spills now and then; counts what each record looks at."""

    def __init__(self, partition: int = 0, count: int = 1) -> None:
        self.looks = 0
        self.costs: list[int] = []
        super().__init__(partition, count)
        self.store = self.worn = WornStore()
        self.state = State(partition, count, self.store)
        self.state.partition_row.epoch = 0

    def do(self, record: AnyRecord) -> Answer:
        worn = getattr(self, "worn", None)
        before = self.looks + (worn.passed if worn else 0)
        with counted(self):
            answer = super().do(record)
        self.costs.append(self.looks + (worn.passed if worn else 0) - before)
        if len(self.costs) % SPILL_EVERY == 0:
            self.state.spill()
        return answer

    def do_chores(self) -> None:
        """Until none is left, each as its action asks for."""
        while chores := [key for key, _ in self.state.chores.scan()]:
            for key in chores:
                self.do(ChoreStep(self.epoch, self.now_ms, key))


@contextmanager
def counted(bench: CostBench) -> Iterator[None]:
    """Rows read, written and passed by scans."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("get", "add", "put", "delete"):
            patch.setattr(Table, name, _counting(bench, getattr(Table, name)))
        scan = Table.scan

        def counting_scan(self: Any, *args: Any, **named: Any) -> Iterator[Any]:
            for pair in scan(self, *args, **named):
                bench.looks += 1
                yield pair

        patch.setattr(Table, "scan", counting_scan)
        yield


def _counting(bench: CostBench, method: Any) -> Any:
    def counting(self: Any, *args: Any) -> Any:
        bench.looks += 1
        return method(self, *args)

    return counting
