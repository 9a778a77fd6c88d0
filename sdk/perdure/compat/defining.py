"""What services, objects and workflows by the names of `restate` have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Final, TypedDict, TypeVar

from perdure.annotations import NOTHING, function_of, meaning, parameters_of, written
from perdure.compat.context import (
    Context,
    ObjectContext,
    ObjectSharedContext,
    WorkflowContext,
    WorkflowSharedContext,
    context_now,
)
from perdure.compat.entry_codec import Codecs, JournalValueCodec
from perdure.compat.exceptions import TerminalError, meant_by
from perdure.compat.retry_policy import InvocationRetryPolicy, retry_of
from perdure.compat.serde import (
    CarriedAsBytes,
    DefaultSerde,
    OfOurs,
    Serde,
    for_type,
)
from perdure.compat.server_context import close_extension_data
from perdure.definitions import (
    HandlerDefinition,
    HandlerKind,
    HandlerRef,
    ServiceDefinition,
    ServiceKind,
    set_ref,
    target_of,
    unfit_handler_name,
    unfit_service_name,
)
from perdure.options import HandlerOptions, unfit_option
from perdure.serde import JSON_TYPE
from perdure.signatures import place_of

F = TypeVar("F", bound=Callable[..., Any])
Managers = list[Callable[[], AbstractAsyncContextManager[Any]]]

_CONTEXTS: Final[Mapping[tuple[ServiceKind, HandlerKind], type[Context]]] = {
    ("service", "plain"): Context,
    ("object", "exclusive"): ObjectContext,
    ("object", "shared"): ObjectSharedContext,
    ("workflow", "workflow"): WorkflowContext,
    ("workflow", "shared"): WorkflowSharedContext,
}
_NONE: Final = Codecs(None)
_EXPLICIT: Final = "__perdure_explicit_recovery__"


class Options(TypedDict, total=False):
    """The keywords that services and handlers share."""

    metadata: dict[str, str] | None
    inactivity_timeout: timedelta | None
    abort_timeout: timedelta | None
    journal_retention: timedelta | None
    idempotency_retention: timedelta | None
    workflow_retention: timedelta | None
    enable_lazy_state: bool | None
    state_preload: bool | list[str] | None
    ingress_private: bool | None
    invocation_retry_policy: InvocationRetryPolicy | None
    invocation_context_managers: Managers | None


class Carriage(TypedDict, total=False):
    """The keywords of handlers about their values."""

    accept: str
    content_type: str
    input_serde: Serde[Any]
    output_serde: Serde[Any]


class HandlerKeywords(Options, Carriage, total=False):
    """The keywords of handlers."""


def options_of(given: Options, description: str | None) -> HandlerOptions:
    """Return options as ours. A list of state to preload is lazy state: the rest is asked for."""
    lazy, preload = given.get("enable_lazy_state"), given.get("state_preload")
    if preload is not None:
        if lazy is not None:
            raise ValueError("give either state_preload or enable_lazy_state, not both")
        lazy = preload is not True
    return HandlerOptions(
        retry=retry_of(given.get("invocation_retry_policy")),
        inactivity_timeout=given.get("inactivity_timeout"),
        abort_timeout=given.get("abort_timeout"),
        journal_retention=given.get("journal_retention"),
        idempotency_retention=given.get("idempotency_retention"),
        workflow_retention=given.get("workflow_retention"),
        private=given.get("ingress_private"),
        lazy_state=lazy,
        description=description,
        metadata=given.get("metadata"),
    )


@dataclass(frozen=True)
class Run:
    """How one handler is run: in its context, its values decoded and encoded."""

    fn: Callable[..., Any]
    context: type[Context]
    takes_input: bool
    input: Serde[Any]
    output: Serde[Any]
    managers: Managers

    def bind(self, codecs: Codecs) -> Callable[[Any], Callable[..., Any]]:
        """Return what the runtime calls with a context of ours."""

        def bound(ours: Any) -> Callable[..., Any]:
            async def run(data: bytes = b"") -> bytes:
                codec = await codecs.get()
                return await self.attempt(self.context(ours, codec), data, codec)

            return run

        return bound

    async def attempt(self, ctx: Context, data: bytes, codec: JournalValueCodec | None) -> bytes:
        """Run one attempt."""
        token = context_now.set(ctx)
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(close_extension_data, ctx)
                for manager in self.managers:
                    await stack.enter_async_context(manager())
                args = [await self._decode(data, codec)] if self.takes_input else []
                value = self.fn(ctx, *args)
                if inspect.isawaitable(value):
                    value = await value
            return ctx._encode(self.output, value)
        except Exception as error:
            raise meant_by(error) from error
        finally:
            if ctx._finished is not None:
                ctx._finished.set()
            context_now.reset(token)

    async def _decode(self, data: bytes, codec: JournalValueCodec | None) -> Any:
        try:
            if codec is not None:
                data = await codec.decode(data)
            return self.input.deserialize(data)
        except Exception as error:
            raise TerminalError(f"Unable to parse an input argument. {error}", 400) from error


class Definition:
    """A service, object or workflow; handlers are added by its decorators."""

    _kind: ClassVar[ServiceKind]

    def __init__(self, name: str, description: str | None, given: Options) -> None:
        options = options_of(given, description)
        wrong = unfit_service_name(name) or unfit_option(options, self._kind)
        if wrong:
            raise ValueError(f"{self._kind} {name!r}: {wrong}")
        self.explicit_recovery = False
        self._managers = given.get("invocation_context_managers") or []
        self._runs: dict[str, Run] = {}
        self.definition = ServiceDefinition(name, self._kind, options, {}, "", 0)

    @property
    def name(self) -> str:
        """The name that callers use."""
        return self.definition.name

    @property
    def handlers(self) -> Mapping[str, HandlerDefinition]:
        """The handlers by name."""
        return self.definition.handlers

    def with_codecs(self, codecs: Codecs) -> ServiceDefinition:
        """Return the definition of the service in an app with a codec."""
        handlers = {
            name: replace(
                one,
                bind=self._runs[name].bind(codecs),
                begins_anew=self.explicit_recovery or hasattr(one.fn, _EXPLICIT),
            )
            for name, one in self.handlers.items()
        }
        return replace(self.definition, handlers=handlers)

    def _add(self, fn: Any, name: str | None, kind: HandlerKind, given: HandlerKeywords) -> None:
        """Make a function a handler; raises ValueError for what cannot be one."""
        name = name or str(fn.__name__)
        if name in self.definition.handlers:
            raise ValueError(f"Handler {name} already exists in {self.name}")
        options = options_of(given, inspect.getdoc(fn))
        where = "run" if kind == "workflow" else self._kind
        wrong = unfit_handler_name(name) or unfit_option(options, where)
        if wrong:
            raise ValueError(f"handler {name!r} of {self.name!r}: {wrong}")
        parameters = [one.name for one in parameters_of(fn)]
        if not parameters:
            raise ValueError("Handler must have at least one parameter")
        takes_input = len(parameters) > 1
        hints = _hints(fn)
        taken = hints.get(parameters[-1]) if takes_input else None
        run = Run(
            fn,
            _CONTEXTS[self._kind, kind],
            takes_input,
            for_type(given.get("input_serde") or DefaultSerde(), taken),
            for_type(given.get("output_serde") or DefaultSerde(), hints.get("return")),
            [*self._managers, *(given.get("invocation_context_managers") or [])],
        )
        self._runs[name] = run
        accept, content_type = given.get("accept", JSON_TYPE), given.get("content_type", JSON_TYPE)
        file, line = place_of(fn)
        self.definition.handlers[name] = HandlerDefinition(
            service=self.name,
            name=name,
            service_kind=self._kind,
            kind=kind,
            fn=fn,
            is_async=True,
            takes_input=takes_input,
            input=CarriedAsBytes(accept, taken),
            output=CarriedAsBytes(content_type, hints.get("return")),
            bind=run.bind(_NONE),
            options=options,
            required=False,
            file=file,
            line=line,
        )
        carried = OfOurs(run.input, accept), OfOurs(run.output, content_type)
        set_ref(fn, HandlerRef(self.name, name, self._kind, kind, takes_input, *carried))


def recover_explicitly(fn: Any) -> None:
    """Mark a handler as one that begins anew in each attempt; raises Misuse for what is none."""
    target_of(fn)
    setattr(fn, _EXPLICIT, True)


def _hints(fn: Any) -> dict[str, Any]:
    """The annotations of a function; those that name nothing known are left out."""
    function = function_of(fn)
    found: dict[str, Any] = {}
    for name, one in written(function).items():
        try:
            found |= meaning(function, {name: one}, NOTHING)
        except Exception:  # noqa: BLE001 - an annotation may be any expression
            continue
    return found
