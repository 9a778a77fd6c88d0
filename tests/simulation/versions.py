"""Two versions of the software side by side: the newer one knows a level more, and acts by it.

What a partition does follows its level, and the level is raised by a record, once every process is
of the newer version. An older one that comes back by mistake must not serve what it does not know.
"""

from random import Random
from typing import Any

from orchestrator.machine import apply_leader, life
from orchestrator.machine.step import Step
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import AnyRecord, RaiseLevel
from orchestrator.model.rows import InvocationRow
from orchestrator.processor import partition, reading
from orchestrator.store.memory import MemoryStore
from orchestrator.tables.state import State
from tests.simulation.mutation import Patch

OLDER = apply_leader.LEVEL_MAX
NEWER = OLDER + 1
MARK_MS = 2  # what the newer version writes from the new level on, and the older one never


class Versions:
    """Which version the next process is of."""

    def __init__(self, seed: int, active: bool) -> None:
        self._random = Random(f"versions {seed}")
        self._is_active = active
        self._mistakes = 1  # an older process is started though the level was raised
        self.is_raised = False  # the level is
        self.is_upgraded = False  # from now on only the newer version is started

    def next_is_newer(self) -> bool:
        if not self._is_active:
            return False
        if not self.is_upgraded:
            return self._random.random() < 0.5
        if self.is_raised and self._mistakes and self._random.random() < 0.8:
            self._mistakes -= 1
            return False
        return True

    def calm(self) -> None:
        self.is_upgraded = self._is_active
        self._mistakes = 0


class VersionsInTurn:
    """A process that is of either version from message to message, as those who lead in turn; it
    is the newer one from the new level on."""

    def __init__(self, seed: int) -> None:
        self.is_newer = True
        self._random = Random(f"versions in turn {seed}")

    def take(self, level: int, records: list[AnyRecord]) -> None:
        is_raised = level >= NEWER or any(isinstance(one, RaiseLevel) for one in records)
        self.is_newer = is_raised or self._random.random() < 0.5


class StoreInTurn(MemoryStore):
    """A store of such a process."""

    def __init__(self, life: VersionsInTurn) -> None:
        super().__init__()
        self.life = life


def is_newer(state: State) -> bool:
    """The version of the process whose state it is; checkers are of the newer one."""
    process = getattr(getattr(state.store, "inner", None), "life", None)
    return process is None or bool(process.is_newer)


def acts_newer(state: State) -> bool:
    return is_newer(state) and state.partition_row.level >= NEWER


def versioned(patch: Patch) -> None:
    """Every process knows the levels of its own version, and the newer one acts by the new one."""
    patch.set(apply_leader, "LEVEL_MAX", OLDER)

    def apply(state: State, record: AnyRecord, position: int, actions: list[AnyAction]) -> Answer:
        apply_leader.LEVEL_MAX = NEWER if is_newer(state) else OLDER
        answer: Answer = apply_before(state, record, position, actions)
        return answer

    def opened(number: int, count: int, store: Any, *more: Any) -> Any:
        apply_leader.LEVEL_MAX = NEWER if store.life.is_newer else OLDER
        return opened_before(number, count, store, *more)

    def new_row(step: Step, invoke: Invoke) -> InvocationRow:
        row: InvocationRow = new_row_before(step, invoke)
        if acts_newer(step.state):
            row.scheduled_at_ms = MARK_MS
        return row

    apply_before = patch.set(partition, "apply", apply)
    opened_before = patch.set(reading, "_opened", opened)
    new_row_before = patch.set(life, "new_row", new_row)
