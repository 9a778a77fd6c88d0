"""Contexts of objects and workflows: state by name, and promises."""

from __future__ import annotations

from typing import Any, Final, TypeVar, overload

from perdure.context import Context
from perdure.futures import DONE, Done, Future
from perdure.misuse import misuse
from perdure.promises import DurablePromise
from perdure.replay.slot import PENDING
from perdure.serde import as_serde, encode_as

T = TypeVar("T")

_NOTHING: Final = object()


def name_bytes(name: str) -> bytes:
    """The name of a value as the journal has it."""
    try:
        return name.encode()
    except AttributeError:
        raise misuse(f"the name of a value is text, not {name!r}") from None


class ObjectSharedContext(Context):
    """The context of a shared handler of an object: it reads its state."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """The key of the object, or the id of the workflow."""
        return self._machine.start.key

    @overload
    def get(self, name: str, type: type[T], default: T) -> Future[T]: ...
    @overload
    def get(self, name: str, type: type[T]) -> Future[T | None]: ...
    @overload
    def get(self, name: str, type: Any = ..., default: Any = ...) -> Future[Any]: ...
    def get(self, name: str, type: Any = Any, default: Any = None) -> Future[Any]:  # noqa: A002
        """The value of a name, or the default if there is none."""
        future: Future[Any] = Future(self.runner, as_serde(type).decode, default)
        self.machine.get_state(future, name_bytes(name))
        return future

    def state_now(self, name: str, type: Any = Any) -> Any:  # noqa: A002
        """The value of a name that the server sent with the attempt; raises KeyError if there is
        none. In a plain `def` handler, where it may wait, of any name."""
        future: Future[Any] = Future(self.runner, as_serde(type).decode, _NOTHING)
        self.machine.get_state(future, name_bytes(name))
        if future.kind == PENDING and not self.runner.waits_in_place:
            raise misuse(f"the state {name!r} was not sent with the attempt: set lazy_state=True")
        value = future.result()
        if value is _NOTHING:
            raise KeyError(name)
        return value

    def state_keys(self) -> Future[list[str]]:
        """The names that have a value."""
        future: Future[list[str]] = Future(self.runner)
        self.machine.get_state_keys(future)
        return future


class ObjectContext(ObjectSharedContext):
    """The context of an exclusive handler of an object: it also writes its state."""

    __slots__ = ()

    def set(self, name: str, value: Any, type: Any = None) -> Done:  # noqa: A002
        """Give a name a value; as JSON, unless a type or Serde is given or it is bytes."""
        self.machine.set_state(name_bytes(name), encode_as(type, value))
        return DONE

    def clear(self, name: str) -> Done:
        """Take the value of a name away."""
        self.machine.clear_state(name_bytes(name))
        return DONE

    def clear_all(self) -> Done:
        """Take all values away."""
        self.machine.clear_all_state()
        return DONE


class WorkflowSharedContext(ObjectSharedContext):
    """The context of a handler beside the run of a workflow."""

    __slots__ = ()

    @overload
    def promise(self, name: str, type: type[T]) -> DurablePromise[T]: ...
    @overload
    def promise(self, name: str, type: Any = ...) -> DurablePromise[Any]: ...
    def promise(self, name: str, type: Any = Any) -> DurablePromise[Any]:  # noqa: A002
        """A promise of the workflow: await it, or resolve or reject it."""
        return DurablePromise(self, name, type)


class WorkflowContext(ObjectContext, WorkflowSharedContext):
    """The context of the run of a workflow."""

    __slots__ = ()
