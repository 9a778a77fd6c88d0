"""The order of a run: repeats, in each the systems by turns, each on fresh data."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import budget, life, measure, report, topics
from tests.bench.cells import Cell
from tests.bench.endpoints import TYPESCRIPT, Endpoint, endpoint
from tests.bench.life import Sizes
from tests.bench.results import LIFE, Results
from tests.bench.systems import System
from tests.bench.topic_cells import TopicCell
from tests.bench.topics import TopicShape
from tests.parts.cache import PartUnavailable
from tests.parts.kafka import KafkaBroker

_WARM_UP_S = 10.0
_WARM_UPS_MAX = 9


@dataclass(frozen=True)
class Schedule:
    systems: list[str]
    cells: list[Cell]
    topic_cells: list[TopicCell]
    lives_of: list[str]
    budgets_of: list[str]
    repeats: int
    lives: int  # repeats that include a life
    seconds: float
    warmup_s: float
    sizes: Sizes
    topics: TopicShape
    takes_turns: bool = False  # whether all endpoints of a system run at once, a cell by turns


class Runner:
    """Carries out a schedule; a failure of one system is noted and the rest goes on."""

    def __init__(
        self, schedule: Schedule, results: Results, scratch: Path, say: Callable[[str], None]
    ) -> None:
        self._schedule = schedule
        self._results = results
        self._scratch = scratch
        self._say = say

    def run(self) -> None:
        """Topics of all systems are on one broker, which is made warm first."""
        if not self._schedule.topic_cells:
            self._run_all(None)
            return
        broker = KafkaBroker(self._scratch / "broker", quick_start=False).start()
        try:
            self._warm_up(broker)
            self._run_all(broker)
        finally:
            broker.stop()

    def _warm_up(self, broker: KafkaBroker) -> None:
        """By a load of its own, the same whatever is measured afterwards, until the broker has
        compiled nearly all that it needs."""
        for _ in range(_WARM_UPS_MAX):
            share = topics.warm_up(broker.bootstrap, broker.pid, _WARM_UP_S)
            self._say(f"warm-up of the broker: {share:.0%} of its CPU compiled")
            if 100 * share <= topics.COMPILED_MAX_PERCENT:
                return

    def _run_all(self, broker: KafkaBroker | None) -> None:
        systems = self._schedule.systems
        for repeat in range(self._schedule.repeats):
            # Another one begins each time, so that what drifts does not always favour the same.
            turn = repeat % len(systems)
            for name in systems[turn:] + systems[:turn]:
                self._say(f"repeat {repeat + 1} of {self._schedule.repeats}: {name}")
                self._guarded(name, "cells", self._run_cells)
                if broker is not None:
                    self._guarded(name, "topics", partial(self._run_topics, broker))
                if name in self._schedule.lives_of and repeat < self._schedule.lives:
                    self._guarded(name, LIFE, self._run_life)
                if name in self._schedule.budgets_of:
                    self._guarded(name, "budget", self._run_budget)

    def _guarded(self, name: str, what: str, work: Callable[[str], None]) -> None:
        try:
            work(name)
        except (AssertionError, RuntimeError, OSError, PartUnavailable) as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            self._results.failures.append(f"{name}, {what}: {reason[0]}")
            self._say(traceback.format_exc())

    @contextmanager
    def _started(
        self, name: str, sampled: Path | None = None, broker: KafkaBroker | None = None
    ) -> Iterator[System]:
        directory = self._scratch / name
        shutil.rmtree(directory, ignore_errors=True)
        system = System(name, directory, broker)
        if sampled is not None:
            budget.sample(system, sampled)
        try:
            system.start()
            self._say(f"  {name}: pid {system.server.pid}, port {system.port}")
            yield system
        finally:
            system.stop()
            shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def _serving(self, system: System, name: str) -> Iterator[Endpoint]:
        serving = endpoint(name, self._scratch / "endpoints")
        try:
            system.register(serving.start())
            yield serving
        finally:
            serving.stop()

    def _run_cells(self, name: str) -> None:
        cells = [cell for cell in self._schedule.cells if name in cell.systems]
        if not cells:
            return
        with self._started(name) as system:
            if self._schedule.takes_turns:
                self._run_by_turns(system, cells)
                return
            for serving_name in dict.fromkeys(cell.endpoint for cell in cells):
                with self._serving(system, serving_name) as serving:
                    for cell in cells:
                        if cell.endpoint == serving_name:
                            self._run_cell(system, serving, cell)

    def _run_by_turns(self, system: System, cells: list[Cell]) -> None:
        with ExitStack() as running:
            serving = {
                name: running.enter_context(self._serving(system, name))
                for name in dict.fromkeys(cell.endpoint for cell in cells)
            }
            for cell in cells:
                system.register(serving[cell.endpoint])
                self._run_cell(system, serving[cell.endpoint], cell)

    def _run_cell(self, system: System, serving: Endpoint, cell: Cell) -> None:
        schedule = self._schedule
        shape = measure.Shape(cell.connections, schedule.seconds, schedule.warmup_s)
        measured = measure.run(system, serving, cell.flow, shape)
        self._note(cell.name, system.name, measured)

    def _run_topics(self, broker: KafkaBroker, name: str) -> None:
        cells = [cell for cell in self._schedule.topic_cells if name in cell.systems]
        if not cells:
            return
        with self._started(name, broker=broker) as system:
            for serving_name in dict.fromkeys(cell.endpoint for cell in cells):
                with self._serving(system, serving_name) as serving:
                    for cell in cells:
                        if cell.endpoint == serving_name:
                            measured = topics.run(system, serving, cell, self._schedule.topics)
                            self._note(cell.name, name, measured)

    def _note(self, cell: str, system: str, measured: dict[str, Any]) -> None:
        self._results.add(cell, system, measured)
        self._say(f"  {cell:28} {report.one_line(measured)}")
        if measured["errors"]:
            self._say(f"    {measured['errors']} errors, the first: {measured['first_error']}")

    def _run_life(self, name: str) -> None:
        with self._started(name) as system, self._serving(system, TYPESCRIPT) as serving:
            lived = life.live(system, serving, self._schedule.sizes)
            self._results.add(LIFE, name, lived)
            self._say("  " + "  ".join(f"{key} {value:.2f}" for key, value in lived.items()))

    def _run_budget(self, name: str) -> None:
        out = self._scratch / "sampled.json"
        schedule = self._schedule
        with (
            self._started(name, sampled=out) as system,
            self._serving(system, TYPESCRIPT) as serving,
        ):
            for cell in budget.CELLS:
                shape = measure.Shape(cell.connections, schedule.seconds, schedule.warmup_s)
                measured = budget.run(system, serving, cell, shape, out)
                self._results.add(budget.BUDGET + cell.name, name, measured)
                self._say(f"  {cell.name}, CPU µs by room and thread:")
                for key, value in budget.by_room(measured):
                    self._say(f"    {key:16} {value:8.1f}")
