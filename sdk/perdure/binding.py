"""From a function or method to a handler that is ready to run."""

import copy
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from perdure.definitions import (
    HandlerDefinition,
    HandlerKind,
    ServiceKind,
    unfit_handler_name,
)
from perdure.errors import terminal_of
from perdure.marks import Mark
from perdure.options import unfit_option
from perdure.signatures import place_of, read_signature, refuse
from perdure.typed_state import StateField, preload, start_state, store_changes

Bind = Callable[[Any], Callable[..., Any]]

_KINDS: Mapping[ServiceKind, tuple[HandlerKind, tuple[HandlerKind, ...]]] = {
    "service": ("plain", ("plain",)),
    "object": ("exclusive", ("exclusive", "shared")),
    "workflow": ("shared", ("shared", "workflow")),
}


# How the names begin of the contexts that have no more than a handler gets.
_CONTEXTS_OF: Mapping[ServiceKind, tuple[str, ...]] = {
    "service": (),
    "object": ("Object",),
    "workflow": ("Object", "Workflow"),
}


def kind_of(fn: Any, service_kind: ServiceKind, mark: Mark) -> HandlerKind:
    """Return the kind of a handler; BadDefinition if such a service has none of it."""
    usual, allowed = _KINDS[service_kind]
    kind = mark.kind or usual
    if kind not in allowed:
        decorator = "run" if kind == "workflow" else kind
        refuse(fn, f"@{decorator} is not for {service_kind}s")
    return kind


def define_handler(
    fn: Callable[..., Any],
    service: str,
    service_kind: ServiceKind,
    mark: Mark,
    names: Mapping[str, Any],
    make_bind: Callable[[Callable[..., Any], bool], Bind],
) -> HandlerDefinition:
    """Check everything about a handler and put it together; raises BadDefinition."""
    name = mark.name or str(getattr(fn, "__name__", ""))
    kind = kind_of(fn, service_kind, mark)
    wrong = unfit_handler_name(name) or unfit_option(
        mark.options, "run" if kind == "workflow" else service_kind
    )
    if wrong:
        refuse(fn, f"handler {name!r} of {service!r}: {wrong}")
    signature = read_signature(fn, names, mark.input_serde, mark.output_serde)
    _check_context(fn, name, signature.first, service_kind)
    file, line = place_of(fn)
    options = mark.options
    if options.description is None and fn.__doc__:
        options = replace(options, description=inspect.cleandoc(fn.__doc__))
    return HandlerDefinition(
        service=service,
        name=name,
        service_kind=service_kind,
        kind=kind,
        fn=fn,
        is_async=signature.is_async,
        takes_input=signature.takes_input,
        input=signature.input,
        output=signature.output,
        bind=make_bind(fn, signature.is_async),
        options=options,
        required=signature.required,
        file=file,
        line=line,
    )


def _check_context(fn: Any, name: str, annotation: Any, service_kind: ServiceKind) -> None:
    """Refuse contexts of what has a key for what has none, and of workflows for objects."""
    of = getattr(annotation, "__module__", None) == "perdure.keyed"
    given = getattr(annotation, "__name__", "")
    if of and not given.startswith(_CONTEXTS_OF[service_kind]):
        refuse(fn, f"handler {name!r} of a {service_kind} gets no {given}")


def bind_function(fn: Callable[..., Any], is_async: bool) -> Bind:
    """A function takes the context first."""
    return functools.partial(functools.partial, fn)


def own_copy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copy of an inherited method: as a target it names the class that inherits it."""
    if not isinstance(fn, types.FunctionType):
        return fn
    made = types.FunctionType(
        fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    )
    made.__kwdefaults__ = fn.__kwdefaults__
    functools.update_wrapper(made, fn)
    del made.__dict__["__wrapped__"]
    return made


def instance_maker(cls: type, base: type, prototype: Any = None) -> Callable[[], Any]:
    """Return what makes the instance of one attempt: a copy of the one that was given to `app`,
    or a new one, by the class's own `__init__` where it has one."""
    if prototype is not None:
        return functools.partial(copy.copy, prototype)
    inherits = getattr(cls, "__init__") is getattr(base, "__init__")  # noqa: B009
    return functools.partial(object.__new__, cls) if inherits else cls


def bind_method(
    make: Callable[[], Any], fields: Mapping[str, StateField]
) -> Callable[[Callable[..., Any], bool], Bind]:
    """A method takes an instance, which has the context as `ctx`, and its state."""

    def plain(fn: Callable[..., Any], ctx: Any) -> Callable[..., Any]:
        instance = make()
        instance.ctx = ctx
        return functools.partial(fn, instance)

    def with_state(fn: Callable[..., Any], run: Any, ctx: Any) -> Callable[..., Any]:
        instance = make()
        instance.ctx = ctx
        start_state(instance)
        return functools.partial(run, fn, instance)

    async def run_async(fn: Callable[..., Any], instance: Any, *args: Any) -> Any:
        # An attribute cannot be awaited, and the server need not send all state with an attempt.
        await preload(instance, fields)
        try:
            result = await fn(instance, *args)
        except Exception as error:
            if terminal_of(error) is not None:
                store_changes(instance, fields)
            raise
        store_changes(instance, fields)
        return result

    def run_sync(fn: Callable[..., Any], instance: Any, *args: Any) -> Any:
        try:
            result = fn(instance, *args)
        except Exception as error:
            if terminal_of(error) is not None:
                store_changes(instance, fields)
            raise
        store_changes(instance, fields)
        return result

    def make_bind(fn: Callable[..., Any], is_async: bool) -> Bind:
        if not fields:
            return functools.partial(plain, fn)
        run = run_async if is_async else run_sync
        return functools.partial(with_state, fn, run)

    return make_bind
