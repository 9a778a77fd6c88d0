"""Attempts under test: fakes take the place of steps, and every await may be a replay."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

from perdure.misuse import misuse
from perdure.runtime.attempt import Attempt
from perdure.steps import Step
from perdure.wire import InputCommand, Start


class Fake(NamedTuple):
    """What is called instead of a step."""

    fn: Callable[..., Any]
    takes_self: bool
    """Whether it gets the object of a bound method, as the method itself does."""


Fakes = dict[Any, Fake]
"""By function, or by name of the step."""


class Behaviour:
    """What a test wants of all attempts of its Env."""

    def __init__(self, always_replay: bool) -> None:
        self.always_replay = always_replay
        self.fakes: Fakes = {}


class Patch:
    """A fake in place of a step, until the end of the test or of its `with` block."""

    def __init__(self, fakes: Fakes, step: Any, fake: Any) -> None:
        if not callable(step) and not isinstance(step, str):
            raise misuse(f"a step is patched by its function or its name, not by {step!r:.100}")
        if not callable(fake):
            raise misuse(f"a fake is a function, not {fake!r:.100}")
        self._fakes = fakes
        self._at = step if isinstance(step, str) else origin_of(step)
        self._earlier = fakes.get(self._at)
        fakes[self._at] = Fake(fake, not hasattr(step, "__func__"))

    def undo(self) -> None:
        """Take the fake away."""
        if self._earlier is None:
            self._fakes.pop(self._at, None)
        else:
            self._fakes[self._at] = self._earlier

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()


def origin_of(fn: Any) -> Any:
    """The function behind partials, bound methods and decorators."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif hasattr(fn, "__func__"):
            fn = fn.__func__
        elif hasattr(fn, "__wrapped__"):
            fn = fn.__wrapped__
        else:
            return fn


class AttemptUnderTest(Attempt):
    """An attempt that behaves as a test wants it to."""

    def __init__(self, behaviour: Behaviour, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._behaviour = behaviour

    def open(self, start: Start, given: InputCommand) -> None:
        super().open(start, given)
        if self._behaviour.always_replay:
            self.end_input()

    def feed(self, data: bytes | memoryview) -> None:
        super().feed(data)
        if self._behaviour.always_replay and self.machine.ready:
            self.end_input()

    def execute(self, step: Step) -> None:
        fakes = self._behaviour.fakes
        if fakes and not step.inline:
            by_name = fakes.get(step.name) or fakes.get(step.traits.name)
            fake = by_name or fakes.get(origin_of(step.fn))
            if fake is not None:
                _replace(step, fake)
        super().execute(step)


def _replace(step: Step, fake: Fake) -> None:
    args, kwargs = _given(step.fn, fake.takes_self)
    step.fn = functools.partial(fake.fn, *args, **kwargs) if args or kwargs else fake.fn
    step.traits = step.traits._replace(is_async=inspect.iscoroutinefunction(origin_of(fake.fn)))


def _given(fn: Any, takes_self: bool) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The arguments that partials hold, and the object of a bound method."""
    if isinstance(fn, functools.partial):
        args, kwargs = _given(fn.func, takes_self)
        return (*args, *fn.args), {**kwargs, **fn.keywords}
    bound = getattr(fn, "__self__", None)
    is_bound = takes_self and bound is not None and hasattr(fn, "__func__")
    return ((bound,) if is_bound else ()), {}
