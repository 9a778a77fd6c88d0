"""Steps: their options, and functions whose results are encoded where they run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from perdure.annotations import function_of, result_of
from perdure.compat.exceptions import meant_by
from perdure.compat.serde import DefaultSerde, Serde
from perdure.retry import Retry

T = TypeVar("T")

RunAction: TypeAlias = Callable[..., Any]


@dataclass
class RunOptions(Generic[T]):
    """How the result of a step is carried, and how often the step is tried."""

    serde: Serde[T] = field(default_factory=DefaultSerde)
    type_hint: Any = None
    max_attempts: int | None = None
    max_duration: timedelta | None = None
    initial_retry_interval: timedelta | None = None
    max_retry_interval: timedelta | None = None
    retry_interval_factor: float | None = None
    max_retry_duration: timedelta | None = None

    def retry(self) -> Retry | None:
        """Return it as ours; None leaves the retries to the server."""
        given = {
            "initial": self.initial_retry_interval,
            "factor": self.retry_interval_factor,
            "max_interval": self.max_retry_interval,
            "max_attempts": self.max_attempts,
            "max_duration": self.max_duration or self.max_retry_duration,
        }
        kept: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return Retry(**kept) if kept else None


def encoding_step(
    action: RunAction, encode: Callable[[Any], bytes]
) -> tuple[Callable[..., Any], bool]:
    """Return what runs a function and encodes what it returns, and whether that is async."""
    is_async = inspect.iscoroutinefunction(_innermost(action))
    return functools.partial(_run_async if is_async else _run_sync, action, encode), is_async


def _innermost(action: Any) -> Any:
    while isinstance(action, functools.partial):
        action = action.func
    return action


def returned_by(action: Any) -> Any:
    """Return the annotation of what a function returns; None without one."""
    function = function_of(action)
    found = inspect.Parameter.empty if inspect.isclass(function) else result_of(function)
    return None if found is inspect.Parameter.empty else found


async def _run_async(
    action: RunAction, encode: Callable[[Any], bytes], *args: Any, **kwargs: Any
) -> bytes:
    try:
        return encode(await action(*args, **kwargs))
    except Exception as error:
        raise meant_by(error) from error


def _run_sync(action: RunAction, encode: Callable[[Any], bytes], *args: Any, **kwargs: Any) -> Any:
    try:
        value = action(*args, **kwargs)
        if inspect.isawaitable(value):
            return _run_async(_itself, encode, value)
        return encode(value)
    except Exception as error:
        raise meant_by(error) from error


async def _itself(value: Awaitable[T]) -> T:
    return await value
