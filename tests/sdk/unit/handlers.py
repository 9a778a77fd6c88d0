"""Definitions of handlers for tests of the runtime, made by hand."""

import inspect
from typing import Any

from perdure.definitions import HandlerDefinition
from perdure.serde import serde_for

_SERVICES = {"plain": "service", "exclusive": "object", "shared": "object", "workflow": "workflow"}


def handler(fn: Any, kind: str = "exclusive", service_kind: str | None = None) -> HandlerDefinition:
    """The definition of a function `fn(ctx)` or `fn(ctx, argument)`."""
    signature = inspect.signature(fn, eval_str=True)
    parameters = list(signature.parameters.values())
    takes_input = len(parameters) > 1

    def bind(ctx: Any) -> Any:
        return (lambda value: fn(ctx, value)) if takes_input else lambda: fn(ctx)

    return HandlerDefinition(
        "Test",
        fn.__name__,
        service_kind or _SERVICES[kind],  # type: ignore[arg-type]
        kind,  # type: ignore[arg-type]
        fn,
        inspect.iscoroutinefunction(fn),
        takes_input,
        serde_for(parameters[1].annotation if takes_input else None),
        serde_for(signature.return_annotation),
        bind,
    )
