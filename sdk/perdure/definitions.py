"""Handlers and services as the runtime sees them, and how others name them as targets."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from perdure.misuse import misuse
from perdure.options import NO_OPTIONS, HandlerOptions
from perdure.serde import Serde

ServiceKind: TypeAlias = Literal["service", "object", "workflow"]
HandlerKind: TypeAlias = Literal["plain", "exclusive", "shared", "workflow"]

_REF: Final = "__perdure_ref__"
_SERVICE_NAME: Final = re.compile(r"([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*\Z")
_HANDLER_NAME: Final = re.compile(r"([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*\Z")
_RESERVED: Final = ("restate", "openapi")


@dataclass(frozen=True, slots=True)
class HandlerRef:
    """A handler as a target of calls: its address and how its values travel."""

    service: str
    name: str
    service_kind: ServiceKind
    kind: HandlerKind
    takes_input: bool
    input: Serde[Any]
    output: Serde[Any]

    @property
    def needs_key(self) -> bool:
        return self.service_kind != "service"


@dataclass(frozen=True, slots=True)
class HandlerDefinition:
    """A handler, ready to run.

    `bind(ctx)` returns what runs one attempt: a callable that takes the decoded input, or nothing
    where `takes_input` is false. Its result is awaitable if `is_async`; else it is called in a
    thread and returns the value. `required` says whether a caller has to send a body.
    `begins_anew`: attempts do not replay what earlier ones have done.
    """

    service: str
    name: str
    service_kind: ServiceKind
    kind: HandlerKind
    fn: Callable[..., Any]
    is_async: bool
    takes_input: bool
    input: Serde[Any]
    output: Serde[Any]
    bind: Callable[[Any], Callable[..., Any]]
    options: HandlerOptions = NO_OPTIONS
    required: bool = False
    file: str = ""
    line: int = 0
    begins_anew: bool = False

    @property
    def ref(self) -> HandlerRef:
        return HandlerRef(
            self.service,
            self.name,
            self.service_kind,
            self.kind,
            self.takes_input,
            self.input,
            self.output,
        )


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """A service, ready to serve; handlers by name."""

    name: str
    kind: ServiceKind
    options: HandlerOptions = NO_OPTIONS
    handlers: dict[str, HandlerDefinition] = field(default_factory=dict)
    file: str = ""
    line: int = 0


def unfit_service_name(name: object) -> str | None:
    """Return why a service cannot be called that; None if it can."""
    if not isinstance(name, str) or not _SERVICE_NAME.match(name):
        return f"{name!r} is no name of a service: letters, digits, '.', '_' and '-'"
    if name.lower().startswith(_RESERVED):
        return f"{name!r} is no name of a service: names that begin with this word are reserved"
    return None


def unfit_handler_name(name: object) -> str | None:
    """Return why a handler cannot be called that; None if it can."""
    if not isinstance(name, str) or not _HANDLER_NAME.match(name):
        return f"{name!r} is no name of a handler: letters, digits and '_'"
    return None


def set_ref(target: Any, ref: HandlerRef) -> None:
    """Make an object a target: a handler's function, or what stands for it."""
    setattr(target, _REF, ref)


def target_of(target: Any) -> HandlerRef | tuple[str, str]:
    """Return the handler that a target names: a decorated handler, or `"Service/handler"` as a
    pair. Raises Misuse for anything else."""
    ref = getattr(target, _REF, None)
    if ref is not None:
        return ref  # type: ignore[no-any-return]
    if isinstance(target, str):
        service, slash, handler = target.partition("/")
        if slash and service and handler and "/" not in handler:
            return service, handler
        raise misuse(f'{target!r} names no handler: write "Service/handler"')
    raise misuse(f"{_shown(target)} is no handler: it has no @handler decorator of a service")


def _shown(target: Any) -> str:
    named = getattr(target, "__qualname__", None)
    return named if isinstance(named, str) else repr(target)
