"""Which context a kind of handler gets."""

from typing import Final

from perdure.context import Context
from perdure.definitions import HandlerKind
from perdure.keyed import ObjectContext, ObjectSharedContext, WorkflowContext, WorkflowSharedContext


def context_class(service_kind: str, kind: HandlerKind) -> type[Context]:
    """The class of the context of a handler."""
    return _CLASSES[service_kind, kind]


_CLASSES: Final[dict[tuple[str, str], type[Context]]] = {
    ("service", "plain"): Context,
    ("object", "exclusive"): ObjectContext,
    ("object", "shared"): ObjectSharedContext,
    ("workflow", "workflow"): WorkflowContext,
    ("workflow", "shared"): WorkflowSharedContext,
}
