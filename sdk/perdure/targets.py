"""Types of handlers as targets, by which results and arguments of calls are checked."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

Takes: TypeAlias = Callable[[Any, In], Coroutine[Any, Any, Out]]
TakesNothing: TypeAlias = Callable[[Any], Coroutine[Any, Any, Out]]
Blocking: TypeAlias = Callable[[Any, In], Out]
BlockingNothing: TypeAlias = Callable[[Any], Out]
