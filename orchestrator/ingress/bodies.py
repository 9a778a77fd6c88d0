"""JSON bodies that name a target: of attach, output and lookup."""

import msgspec

from orchestrator.door.targets import check_scope, read_invocation_id
from orchestrator.ingress.refusals import HttpRefused
from orchestrator.ingress.targets import ReadRoute, read_idempotent, read_workflow
from orchestrator.model.json_names import name_given_twice
from orchestrator.registry.schema import Registry


class _Target(msgspec.Struct, tag_field="target", rename="camel", frozen=True):
    """A target, told apart by its field `target`."""


class InvocationTarget(_Target, tag="invocation", frozen=True):
    invocation_id: str


class WorkflowBody(_Target, tag="workflow", frozen=True):
    workflow_name: str
    workflow_key: str
    scope: str | None = None


class IdempotentTarget(_Target, tag="idempotentInvocation", frozen=True):
    service: str
    handler: str
    idempotency_key: str
    key: str | None = None
    scope: str | None = None


_BYTES_MAX = 64 * 1024  # two keys and two names, each byte of them written as an escape
_decode = msgspec.json.Decoder(InvocationTarget | WorkflowBody | IdempotentTarget).decode


def read_target(body: bytes, registry: Registry, wait: bool) -> ReadRoute:
    """The invocation a body names."""
    if len(body) > _BYTES_MAX:
        raise HttpRefused(413, f"bad body: a target has at most {_BYTES_MAX} bytes")
    try:
        target = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HttpRefused(400, f"bad body: {error}") from None
    if (name := name_given_twice(body)) is not None:
        raise HttpRefused(400, f"bad body: the name {name!r} is given twice")
    if isinstance(target, InvocationTarget):
        return ReadRoute(read_invocation_id(target.invocation_id), wait)
    check_scope(target.scope)
    if isinstance(target, WorkflowBody):
        return read_workflow(registry, target.workflow_name, target.workflow_key, wait)
    return read_idempotent(
        registry, target.service, target.key, target.handler, target.idempotency_key, wait
    )
