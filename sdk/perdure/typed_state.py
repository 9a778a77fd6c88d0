"""State of an object or workflow as attributes of its class, loaded and stored by the journal.

What was changed in place (an item appended to a list) is found when the handler ends: whatever
was read or set, and can change, is encoded again and stored if its bytes differ.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, overload

from perdure.misuse import misuse
from perdure.serde import BYTES, Serde, serde_for, serde_for_result

T = TypeVar("T")

_MISSING: Final = object()
_LOADED: Final = "_perdure_loaded"
_UNCHANGING: Final = frozenset((int, str, float, bool, bytes, complex, type(None)))


class StateField:
    """One entry of the state. A descriptor; `state` makes it, and its class names it."""

    def __init__(
        self, default: Any, default_factory: Callable[[], Any] | None, name: str | None
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.name = name or ""
        self.attribute = ""
        self.serde: Serde[Any] = serde_for(Any)

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or attribute

    def take_type(self, annotation: Any) -> None:
        """Take the type of the values; raises BadValue if the default is none of it, TypeError."""
        self.serde = serde_for_result(annotation)
        if self.default is not _MISSING and self.default is not None:
            self.serde.encode(self.default)

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        loaded = _loaded(instance, self)
        entry = loaded.get(self.name)
        if entry is None:
            entry = loaded[self.name] = self._load(instance.ctx)
        if entry[0] is _MISSING:
            raise AttributeError(
                f"state {self.name!r} is not set, and has no default", name=self.attribute
            )
        return entry[0]

    def __set__(self, instance: Any, value: Any) -> None:
        loaded = _loaded(instance, self)
        encoded = self.serde.encode(value)
        instance.ctx.set(self.name, encoded, BYTES)
        loaded[self.name] = (value, encoded)

    def __delete__(self, instance: Any) -> None:
        loaded = _loaded(instance, self)
        instance.ctx.clear(self.name)
        loaded[self.name] = self._absent()

    def decoded(self, data: bytes | None) -> tuple[Any, bytes | None]:
        """Return an entry as it is kept: its value, and the bytes that are stored."""
        return self._absent() if data is None else (self.serde.decode(data), data)

    def _load(self, ctx: Any) -> tuple[Any, bytes | None]:
        try:
            return self.decoded(ctx.state_now(self.name, BYTES))
        except KeyError:
            return self._absent()

    def _absent(self) -> tuple[Any, bytes | None]:
        """Return the default. It counts as stored: only a change of it is stored."""
        if self.default_factory is not None:
            value = self.default_factory()
            return value, self.serde.encode(value)
        return self.default, None


@overload
def state(*, default: T, name: str | None = None) -> T: ...
# A bare `dict` or `list` says nothing of what it holds, which strict type checkers complain of.
@overload
def state(*, default_factory: type[dict[Any, Any]], name: str | None = None) -> dict[Any, Any]: ...
@overload
def state(*, default_factory: type[list[Any]], name: str | None = None) -> list[Any]: ...
@overload
def state(*, default_factory: type[set[Any]], name: str | None = None) -> set[Any]: ...
@overload
def state(*, default_factory: Callable[[], T], name: str | None = None) -> T: ...
@overload
def state(*, name: str | None = None) -> Any: ...
def state(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """Declare an entry of the state: `items: list[str] = perdure.state(default_factory=list)`.

    `name` is its key in the state; the attribute's name if not given. Reading an entry that is not
    set gives the default, or an AttributeError where there is none.
    """
    if default is not _MISSING and default_factory is not None:
        raise misuse("state takes a default or a default_factory, not both")
    if isinstance(default, list | dict | set):
        kind = type(default).__name__
        raise misuse(f"a {kind} as default would be one for all keys: default_factory={kind}")
    return StateField(default, default_factory, name)


def _loaded(instance: Any, field: StateField) -> dict[str, tuple[Any, bytes | None]]:
    loaded: dict[str, tuple[Any, bytes | None]] | None = instance.__dict__.get(_LOADED)
    if loaded is None:
        if "ctx" not in instance.__dict__:
            raise misuse(f"state {field.attribute!r} is there only while a handler runs")
        loaded = instance.__dict__[_LOADED] = {}
    return loaded


def start_state(instance: Any) -> None:
    """Prepare an instance for one attempt."""
    instance.__dict__[_LOADED] = {}


async def preload(instance: Any, fields: Mapping[str, StateField]) -> None:
    """Fetch all state that the server does not send with the attempt."""
    loaded = instance.__dict__[_LOADED]
    waiting: list[tuple[StateField, Awaitable[bytes | None]]] = [
        (field, instance.ctx.get(field.name, bytes)) for field in fields.values()
    ]
    for field, future in waiting:
        loaded[field.name] = field.decoded(await future)


def store_changes(instance: Any, fields: Mapping[str, StateField]) -> None:
    """Store what was changed in place; called when the handler has ended with an outcome."""
    for name, (value, stored) in instance.__dict__[_LOADED].items():
        if stored is None or type(value) in _UNCHANGING:
            continue
        encoded = fields[name].serde.encode(value)
        if encoded == stored:
            continue
        if not hasattr(instance.ctx, "set"):
            raise misuse(f"state {name!r} was changed in a shared handler, which only reads it")
        instance.ctx.set(name, encoded, BYTES)
