"""Which handler is the run handler of what a workflow is named by."""

from typing import Any

from perdure.definitions import HandlerRef, ServiceDefinition, target_of
from perdure.errors import BadDefinition
from perdure.misuse import misuse
from perdure.service import definition_of


def run_of(workflow: Any) -> tuple[str, Any]:
    """Return the name of a workflow, and its run handler as a target.

    A workflow is named by its object, its class, its run handler, its name (its run handler is
    called `run` then), or `"Name/handler"`.
    """
    if isinstance(workflow, str):
        target = workflow if "/" in workflow else f"{workflow}/run"
        return target.partition("/")[0], target
    try:
        definition: ServiceDefinition = definition_of(workflow)
    except BadDefinition:
        found = target_of(workflow)
        if isinstance(found, HandlerRef) and found.kind == "workflow":
            return found.service, workflow
        raise misuse(f"{workflow!r} is no workflow") from None
    for one in definition.handlers.values():
        if one.kind == "workflow":
            return definition.name, one.fn
    raise misuse(f"{definition.name!r} is no workflow, but of kind {definition.kind!r}")
