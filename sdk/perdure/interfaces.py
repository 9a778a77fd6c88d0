"""Interfaces: what a service offers, without its implementation.

An interface is a class of handlers whose bodies `raise NotImplementedError`. Others call it as if
it were the service; the service derives from it, or names it by `implements`, and is held to it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from perdure.definitions import HandlerDefinition, ServiceDefinition
from perdure.errors import BadDefinition
from perdure.serde import Serde

T = TypeVar("T")

_INTERFACE: Final = "__perdure_interface__"


def iface(cls: type[T]) -> type[T]:
    """Make a class of Service, Object or Workflow an interface. Its handlers are targets of calls;
    the class cannot be served, and those that derive from it serve it under its name."""
    if "__perdure_service__" not in vars(cls):
        raise BadDefinition(f"@iface is for classes of services, not for {cls!r}")
    setattr(cls, _INTERFACE, True)
    return cls


def is_interface(cls: type) -> bool:
    """Say whether a class is an interface itself, rather than derived from one."""
    return _INTERFACE in vars(cls)


def interfaces_of(cls: type) -> Iterator[type]:
    """Yield the interfaces that a class derives from, the nearest first."""
    return (base for base in cls.__mro__[1:] if is_interface(base))


def own_handlers(cls: type, found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the methods that a class only has from its interfaces: they have no body."""
    empty = {id(one) for base in interfaces_of(cls) for one in vars(base).values()}
    return {name: one for name, one in found.items() if id(one) not in empty}


def check_implements(made: ServiceDefinition, interface: ServiceDefinition) -> None:
    """Raise BadDefinition unless a service offers what an interface says."""

    def refuse(message: str, place: Any = made) -> None:
        where = f"the interface at {interface.file}:{interface.line}"
        raise BadDefinition(f"{made.name!r} {message}; see {where}", place.file, place.line)

    if made.kind != interface.kind:
        refuse(f"is of kind {made.kind!r}, and its interface of kind {interface.kind!r}")
    if made.name != interface.name:
        refuse(f"implements {interface.name!r}, so it has that name")
    for name, asked in interface.handlers.items():
        one = made.handlers.get(name)
        if one is None:
            refuse(f"does not implement {name!r}")
        else:
            _check_handler(one, asked, functools.partial(refuse, place=one))


def _check_handler(
    one: HandlerDefinition, asked: HandlerDefinition, refuse: Callable[[str], None]
) -> None:
    if one.kind != asked.kind:
        refuse(f"has {one.name!r} as {one.kind}, its interface as {asked.kind}")
    if one.takes_input and not asked.takes_input and one.required:
        refuse(f"needs an argument for {one.name!r}, which its interface has without one")
    if asked.takes_input and not one.takes_input:
        refuse(f"takes no argument for {one.name!r}, which its interface has with one")
    if asked.takes_input and not _alike(one.input, asked.input):
        refuse(f"takes another type for {one.name!r} than its interface")
    if not _alike(one.output, asked.output):
        refuse(f"returns another type from {one.name!r} than its interface")


def _alike(one: Serde[Any], other: Serde[Any]) -> bool:
    return one is other or (
        one.content_type == other.content_type and one.schema() == other.schema()
    )
