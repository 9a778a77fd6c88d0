"""What may be set for a service, and again for one of its handlers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, TypedDict

from perdure.errors import BadDefinition
from perdure.misuse import caller
from perdure.retry import Retry


class DefaultFields(TypedDict, total=False):
    """The keywords of services that an app may give for all of them; see HandlerOptions."""

    retry: Retry | None
    inactivity_timeout: timedelta | None
    abort_timeout: timedelta | None
    journal_retention: timedelta | None
    idempotency_retention: timedelta | None
    workflow_retention: timedelta | None
    lazy_state: bool | None


class ServiceFields(DefaultFields, total=False):
    """The keywords of services."""

    private: bool | None
    description: str | None
    metadata: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What is None is left to the service, then to the app, and there to the server.

    The server ends an attempt that is silent for `inactivity_timeout` by asking it to suspend,
    and after `abort_timeout` more by cutting it off. Retentions say how long the journal, the
    result of a call with an idempotency key, and a workflow's state are kept when all is over.
    `lazy_state` has state fetched when it is asked for instead of sent with every attempt.
    """

    retry: Retry | None = None
    inactivity_timeout: timedelta | None = None
    abort_timeout: timedelta | None = None
    journal_retention: timedelta | None = None
    idempotency_retention: timedelta | None = None
    workflow_retention: timedelta | None = None
    private: bool | None = None
    lazy_state: bool | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None


NO_OPTIONS = HandlerOptions()


def read_options(given: Mapping[str, Any]) -> HandlerOptions:
    """Return the options that keywords give; raises BadDefinition for one that is none."""
    known = HandlerOptions.__dataclass_fields__
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise BadDefinition(f"there is no option {name!r}: {hint}", *caller())
    return HandlerOptions(**given)


def read_defaults(given: Mapping[str, Any]) -> HandlerOptions:
    """The same of an app, which has fewer of them."""
    options = read_options(given)
    for name in given:
        if name not in DefaultFields.__annotations__:
            raise BadDefinition(f"{name} is for services and handlers, not for an app", *caller())
    wrong = unfit_option(options, "workflow")
    if wrong:
        raise BadDefinition(f"app: {wrong}", *caller())
    return options


def with_defaults(own: HandlerOptions, defaults: HandlerOptions, kind: str) -> HandlerOptions:
    """The options of a service of a kind, where an app says what all have that say nothing."""
    missing = {
        name: value
        for name in DefaultFields.__annotations__
        if (value := getattr(defaults, name)) is not None
        and getattr(own, name) is None
        and unfit_option(HandlerOptions(**{name: value}), kind) is None  # it is for other kinds
    }
    return replace(own, **missing)


_DURATIONS = (
    "inactivity_timeout",
    "abort_timeout",
    "journal_retention",
    "idempotency_retention",
    "workflow_retention",
)
_TYPES: dict[str, tuple[type, str]] = {
    **dict.fromkeys(_DURATIONS, (timedelta, "a timedelta")),
    "retry": (Retry, "a Retry"),
    "private": (bool, "a bool"),
    "lazy_state": (bool, "a bool"),
    "description": (str, "text"),
    "metadata": (Mapping, "a mapping"),
}


def unfit_option(options: HandlerOptions, kind: str) -> str | None:
    """Return what is wrong with the options of a service or handler; None if nothing is.

    `kind` is a kind of service, or `"run"` for the run handler of a workflow.
    """
    for name, (kind_of_value, says) in _TYPES.items():
        value = getattr(options, name)
        if value is not None and not isinstance(value, kind_of_value):
            return f"{name} is {says}, not {value!r}"
    for item in (options.metadata or {}).items():
        if not all(isinstance(one, str) for one in item):
            return f"metadata is text by name, not {item[0]!r}: {item[1]!r}"
    for name in _DURATIONS:
        delta = getattr(options, name)
        if delta is not None and delta < timedelta(0):
            return f"{name} is negative"
    if options.retry is not None and options.retry.max_duration is not None:
        return "max_duration is for steps: the server counts the attempts of an invocation"
    if options.workflow_retention is not None and kind not in ("workflow", "run"):
        return "workflow_retention is for a workflow or its run handler"
    if options.idempotency_retention is not None and kind == "run":
        return "idempotency_retention is not for a workflow's run handler: it runs once anyway"
    if options.lazy_state is not None and kind == "service":
        return "lazy_state is for objects and workflows: a service has no state"
    return None
