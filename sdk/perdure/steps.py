"""Durable steps: what a step is, how its function is called, and when it is tried again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import timedelta
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from perdure.annotations import function_of, result_of
from perdure.futures import Future
from perdure.misuse import misuse
from perdure.replay.mismatch import name_of
from perdure.retry import Retry
from perdure.serde import ANY, Serde, serde_for, serde_for_result

T = TypeVar("T")

INITIAL: Final = timedelta(milliseconds=50)
FACTOR: Final = 2.0
MAX_INTERVAL: Final = timedelta(seconds=10)


class Traits(NamedTuple):
    """What is known of a function without calling it."""

    name: str
    is_async: bool
    serde: Serde[Any]


class Step(msgspec.Struct, eq=False):
    """One step of one attempt, to be executed unless the journal has its result."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    traits: Traits
    retry: Retry | None
    command_index: int
    command: bytes
    inline: bool = False
    """It is quick and never waits: neither a task nor a thread."""

    @property
    def name(self) -> str:
        """As the journal has it."""
        return name_of(self.command) or self.traits.name


_traits: Final[WeakKeyDictionary[Any, Traits]] = WeakKeyDictionary()


def traits_of(fn: Callable[..., Any]) -> Traits:
    """Name, kind and result of a function; kept by function, looked up behind partials and
    bound methods."""
    if type(fn) is FunctionType:
        known = _traits.get(fn)
        if known is not None:
            return known
    inner: Any = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = getattr(inner, "__func__", inner)
    try:
        known = _traits.get(inner)
    except TypeError:  # it cannot be a key
        return _find(inner)
    if known is None:
        known = _find(inner)
        if inspect.isfunction(inner):
            _traits[inner] = known
    return known


def _find(fn: Any) -> Traits:
    if not callable(fn):
        if inspect.iscoroutine(fn):
            fn.close()
        raise misuse(f"a step is a function and its arguments, not {fn!r:.100}: ctx.step(fn, arg)")
    inner, function = inspect.unwrap(fn), function_of(fn)
    name = getattr(inner, "__name__", "") or type(inner).__name__
    return Traits(
        "lambda" if name == "<lambda>" else name,
        inspect.iscoroutinefunction(function),
        _serde_of_result(inner, function),
    )


def _serde_of_result(inner: Any, function: Any) -> Serde[Any]:
    if inspect.isclass(inner):
        return serde_for(inner)
    annotation = result_of(function)
    if annotation is inspect.Parameter.empty or isinstance(annotation, TypeVar):
        return ANY
    return serde_for_result(annotation)


def check_retry(retry: object) -> None:
    """Raise Misuse for what is no policy."""
    if retry is not None and not isinstance(retry, Retry):
        raise misuse(f"retry is a Retry(...), not {retry!r:.100}")


class Again(NamedTuple):
    """Try the step again, in another attempt: after a delay, or when the server sees fit."""

    delay: timedelta | None


def next_try(retry: Retry | None, tries: int, spent: timedelta) -> Again | None:
    """What to do after `tries` tries that took `spent` in all; None if that was the last."""
    if retry is None:
        return Again(None)
    if retry.max_attempts is not None and tries >= retry.max_attempts:
        return None
    if retry.max_duration is not None and spent >= retry.max_duration:
        return None
    initial = INITIAL if retry.initial is None else retry.initial
    factor = FACTOR if retry.factor is None else retry.factor
    longest = max(initial, MAX_INTERVAL) if retry.max_interval is None else retry.max_interval
    try:
        return Again(min(longest, initial * factor ** (tries - 1)))
    except OverflowError:
        return Again(longest)
