"""Handlers as the runtime sees them, and how others name them as targets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from perdure.errors import Misuse
from perdure.options import NO_OPTIONS, HandlerOptions
from perdure.serde import Serde

ServiceKind: TypeAlias = Literal["service", "object", "workflow"]
HandlerKind: TypeAlias = Literal["plain", "exclusive", "shared", "workflow"]

_REF: Final = "__perdure_ref__"


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
    thread and returns the value.
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
        raise Misuse(f'{target!r} names no handler: write "Service/handler"')
    raise Misuse(f"{target!r} is no handler: it has no @handler decorator of a service")
