"""Putting something else in the place of a part of the engine, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from orchestrator.machine import apply, recover
from orchestrator.machine.step import Step

Mutant = Callable[["Patch"], None]
MUTANTS: dict[str, Mutant] = {}
MISMADE = ("AttributeError(", "NameError(", "TypeError(")
"""What is not the engine's failure: the mutant was left behind by a change of it."""


class Patch:
    """Puts things in the place of others, and back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute; what was there before."""
        before = getattr(owner, name)
        was = getattr(owner, "__dict__", {}).get(name, before)  # a static method is one again
        setattr(owner, name, value)
        self._undo.append(partial(setattr, owner, name, was))
        return before

    def item(self, table: dict[Any, Any], key: Any, value: Any) -> Any:
        before = table[key]
        table[key] = value
        self._undo.append(partial(table.__setitem__, key, before))
        return before

    def undo(self) -> None:
        for undo in reversed(self._undo):
            undo()


@contextmanager
def patched(make: Mutant) -> Iterator[None]:
    patch = Patch()
    make(patch)
    try:
        yield
    finally:
        patch.undo()


@contextmanager
def mutated(name: str) -> Iterator[None]:
    with patched(MUTANTS[name]):
        yield


def mutant(make: Mutant) -> Mutant:
    MUTANTS[make.__name__] = make
    return make


def apply_otherwise(patch: Patch, kind: type, make: Callable[[Any], Any]) -> None:
    """Replace how records of a kind are applied; `make` is given how it was."""
    patch.item(apply._TABLE, kind, make(apply._TABLE[kind]))


def forget_recovered(patch: Patch, *kinds: type) -> None:
    """A new leader does not derive these actions."""

    def step(self: recover.Recovery, count_max: int, actions: list[Any]) -> bool:
        has_more: bool = before(self, count_max, actions)
        actions[:] = [action for action in actions if not isinstance(action, kinds)]
        return has_more

    before = patch.set(recover.Recovery, "step", step)


def with_any_epoch(before: Any) -> Any:
    """Every proposal counts, whatever its epoch."""

    def applied(step: Step, record: Any) -> Any:
        epoch = step.state.partition_row.epoch
        return before(step, msgspec.structs.replace(record, epoch=epoch))

    return applied
