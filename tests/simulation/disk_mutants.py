"""Mutants of the short way of an append: each acknowledges what is not durable."""

from typing import Any

from orchestrator.log.embedded.journal import Journal, Written
from orchestrator.log.embedded.shortcut import Shortcut
from tests.simulation.mutation import Patch, mutant


@mutant
def a_sync_is_not_waited_for(patch: Patch) -> None:
    """An append counts once it is in the page cache."""

    class Believing:
        def __init__(self, syncs: Any) -> None:
            self._syncs = syncs

        def begin(self, file: Any) -> bool:
            return True

        def end(self) -> None:
            pass

    def made(self: Shortcut, journal: Any, turns: Any, syncs: Any) -> None:
        before(self, journal, turns, Believing(syncs))

    before = patch.set(Shortcut, "__init__", made)


@mutant
def a_failed_sync_is_believed(patch: Patch) -> None:
    """What the system says of a sync is not looked at."""

    def end(self: Shortcut) -> Any:
        ended = before(self)
        if isinstance(ended, list):
            return ended
        firsts = self._journal.keep(ended.written)
        batch = ended.append.batch
        return [
            (ended.append.done, number, first, values, None)
            for (number, values), first in zip(batch, firsts, strict=True)
        ]

    before = patch.set(Shortcut, "end", end)


@mutant
def a_failed_sync_is_tried_again(patch: Patch) -> None:
    """On the same file, whose pages are not dirty any more."""

    def rescue(self: Journal, written: Written) -> list[int]:
        self.tail_file.sync()
        return self.keep(written)

    patch.set(Journal, "rescue", rescue)
