"""Decorators of methods: which of a class are its handlers, and how."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, Unpack, overload

from perdure.definitions import HandlerKind
from perdure.errors import BadDefinition
from perdure.interfaces import is_interface, own_handlers
from perdure.misuse import caller
from perdure.options import HandlerOptions, ServiceFields, read_options
from perdure.serde import Serde
from perdure.signatures import place_of

F = TypeVar("F", bound=Callable[..., Any])

_NO_METHODS: Final = (classmethod, property, staticmethod)
_MARK: Final = "__perdure_mark__"


class HandlerFields(ServiceFields, total=False):
    """The keywords of handlers: those of services, and serdes in place of the annotations'."""

    input_serde: Serde[Any] | None
    output_serde: Serde[Any] | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator said. `kind` is None where the service decides."""

    name: str | None
    kind: HandlerKind | None
    options: HandlerOptions
    input_serde: Serde[Any] | None
    output_serde: Serde[Any] | None


def make_mark(name: str | None, kind: HandlerKind | None, fields: HandlerFields) -> Mark:
    """Return the mark of a decorator's keywords."""
    rest: dict[str, Any] = dict(fields)
    return Mark(
        name,
        kind,
        input_serde=rest.pop("input_serde", None),
        output_serde=rest.pop("output_serde", None),
        options=read_options(rest),
    )


def refuse_no_function(fn: Any) -> None:
    """Raise BadDefinition for what a decorator of handlers is not for."""
    if isinstance(fn, str):
        raise BadDefinition(f"a handler's name is given by its keyword: name={fn!r}", *caller())
    if isinstance(fn, _NO_METHODS) or not callable(fn):
        kind = type(fn).__name__
        raise BadDefinition(
            f"a decorator of handlers is for functions, not for {kind!r}", *caller()
        )


def _mark(fn: Any, mark: Mark) -> Any:
    refuse_no_function(fn)
    if hasattr(fn, _MARK):
        raise BadDefinition(f"{fn.__name__!r} has two decorators of handlers", *place_of(fn))
    setattr(fn, _MARK, mark)
    return fn


def _function_of(value: Any) -> Any:
    return value.fget if isinstance(value, property) else value.__func__


def marked(cls: type) -> Iterator[tuple[str, Callable[..., Any], Mark]]:
    """Yield the methods of a class that are handlers, those of its bases first, each once. What
    implements a handler of an interface needs no decorator of its own."""
    seen: dict[str, Any] = {}
    asked: dict[str, Mark] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            if isinstance(value, _NO_METHODS) and hasattr(_function_of(value), _MARK):
                kind = type(value).__name__
                message = f"handler {attribute!r} is a plain method, no {kind}"
                raise BadDefinition(message, *place_of(_function_of(value)))
            if hasattr(value, _MARK) or attribute in seen:
                seen[attribute] = value
            if is_interface(base) and hasattr(value, _MARK):
                asked[attribute] = getattr(value, _MARK)
    for attribute, value in own_handlers(cls, seen).items():
        mark = getattr(value, _MARK, asked.get(attribute))
        if mark is not None:
            yield attribute, value, mark


@overload
def handler(fn: F, /) -> F: ...
@overload
def handler(*, name: str | None = None, **options: Unpack[HandlerFields]) -> Callable[[F], F]: ...
def handler(fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]) -> Any:
    """A handler of the class: exclusive per key in an Object, shared in a Workflow."""
    mark = make_mark(name, None, options)
    return _mark(fn, mark) if fn is not None else lambda fn: _mark(fn, mark)


@overload
def shared(fn: F, /) -> F: ...
@overload
def shared(*, name: str | None = None, **options: Unpack[HandlerFields]) -> Callable[[F], F]: ...
def shared(fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]) -> Any:
    """A handler that runs beside others of its key, and reads state without changing it."""
    mark = make_mark(name, "shared", options)
    return _mark(fn, mark) if fn is not None else lambda fn: _mark(fn, mark)


@overload
def run(fn: F, /) -> F: ...
@overload
def run(*, name: str | None = None, **options: Unpack[HandlerFields]) -> Callable[[F], F]: ...
def run(fn: Any = None, /, *, name: str | None = None, **options: Unpack[HandlerFields]) -> Any:
    """The handler of a Workflow that runs once for each key."""
    mark = make_mark(name, "workflow", options)
    return _mark(fn, mark) if fn is not None else lambda fn: _mark(fn, mark)
