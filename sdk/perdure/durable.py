"""`@step`: an ordinary function that is durable where a handler calls it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from perdure.context import current
from perdure.misuse import misuse
from perdure.retry import Retry
from perdure.steps import check_retry

F = TypeVar("F", bound=Callable[..., Any])


@overload
def step(fn: F) -> F: ...
@overload
def step(*, name: str | None = None, retry: Retry | None = None) -> Callable[[F], F]: ...
def step(fn: Any = None, *, name: str | None = None, retry: Retry | None = None) -> Any:
    """Make a function a step wherever a handler calls it: in an `async def` handler the call is
    awaited, in a plain `def` one it gives the result. Elsewhere, and within steps, the function
    is called as it is."""
    check_retry(retry)
    if fn is None:
        return functools.partial(step, name=name, retry=retry)
    if not callable(fn):
        raise misuse(f"@step is for functions, not for {fn!r:.100}: a name is given by name=")

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        ctx = current.get()
        if ctx is None:
            return fn(*args, **kwargs)
        bound = functools.partial(fn, *args, **kwargs)
        future = ctx.step(bound, name=name, retry=retry)
        return future.result() if ctx.runner.waits_in_place else future

    return call
