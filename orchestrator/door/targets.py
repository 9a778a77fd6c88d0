"""Which handler, and which invocation, a name stands for.

Names are looked up in the metadata the caller holds: a face says beforehand whether that is
complete, since what is not known yet must not be denied.
"""

from typing import Final

from orchestrator.door.keys import check_idempotency_key, check_key, key_of
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.door.sends import KAFKA_SERVICE
from orchestrator.model.ids import idempotent_id, workflow_id
from orchestrator.model.limits import NAME_BYTES_MAX
from orchestrator.model.values import KAFKA, WORKFLOW_RUN
from orchestrator.registry.schema import Handler, Registry, Service
from perdure.wire.errors import BadId
from perdure.wire.ids import AwakeableId, parse_awakeable_id, parse_invocation_id

NOT_SERVED: Final = (RefusalCode.UNKNOWN_SERVICE, RefusalCode.UNKNOWN_HANDLER)
"""Whoever asks for a result may ask on: results outlive their services."""

_NAMED_MAX: Final = 10


def find_service(registry: Registry, name: str) -> Service:
    """The latest revision of a service; raises Refused."""
    service = registry.service(name) or (KAFKA_SERVICE if name == KAFKA else None)
    if service is None:
        message = f"service {name[:NAME_BYTES_MAX]!r} not found: {_instead(registry, name)}"
        raise Refused(RefusalCode.UNKNOWN_SERVICE, message)
    return service


def _instead(registry: Registry, name: str) -> str:
    """Whoever writes a name in other letters has registered it already."""
    small = name.lower()
    for known in registry.services.values():
        if known.public and known.name.lower() == small:
            return f"did you mean {known.name!r}?"
    return "register its deployment first"


def find_handler(registry: Registry, service: str, name: str) -> Handler:
    """The handler of the latest revision of a service; raises Refused."""
    handler = registry.handler(service, name)
    if handler is None:
        handler = find_service(registry, service).handlers.get(name) if service == KAFKA else None
    if handler is None:
        known = find_service(registry, service)
        message = f"handler {name[:NAME_BYTES_MAX]!r} not found in service {service!r}"
        raise Refused(RefusalCode.UNKNOWN_HANDLER, f"{message}: {_handlers_of(known)}")
    return handler


def _handlers_of(service: Service) -> str:
    """Those that anybody may call."""
    names = [one.name for one in service.handlers.values() if one.public]
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"it has {', '.join(names[:_NAMED_MAX]) or 'none that is public'}{more}"


def find_public_handler(registry: Registry, service: str, name: str) -> Handler:
    """As `find_handler`, for whoever is not a handler itself."""
    handler = find_handler(registry, service, name)
    if not handler.public:
        message = f"only other services may call {service}/{name}"
        raise Refused(RefusalCode.PRIVATE_HANDLER, f"the invoked service is not public: {message}")
    return handler


def find_run(registry: Registry, name: str) -> Handler:
    """The public run handler of a workflow; raises Refused."""
    service = find_service(registry, name)
    run = next((h for h in service.handlers.values() if h.kind == WORKFLOW_RUN), None)
    if run is None:
        raise Refused(RefusalCode.BAD_TARGET, f"service {name!r} is not a workflow")
    return find_public_handler(registry, name, run.name)


def run_id(handler: Handler, key: str) -> bytes:
    """The id of the run of a workflow key."""
    return workflow_id(handler.service, key_of(handler, key))


def idempotent_call_id(handler: Handler, key: str | None, idempotency_key: str) -> bytes:
    """The id an idempotency key stands for; raises Refused."""
    check_idempotency_key(handler, idempotency_key)
    checked = key_of(handler, key)
    on = checked if handler.keyed else None
    return idempotent_id(handler.service, on, handler.name, idempotency_key)


def gone_call_id(service: str, key: str | None, name: str, idempotency_key: str) -> bytes:
    """The same where nobody serves the handler any more: its results are kept all the same. `key`
    None: it had no keys."""
    checked = None if key is None else check_key(key)
    return idempotent_id(service, checked, name, check_key(idempotency_key))


def read_invocation_id(text: str) -> bytes:
    """The bytes of an invocation id as people and services write it; raises Refused."""
    try:
        return parse_invocation_id(text)
    except BadId as error:
        raise Refused(RefusalCode.BAD_TARGET, str(error)) from None


def read_awakeable_id(text: str) -> AwakeableId:
    """An awakeable id taken apart; raises Refused."""
    try:
        return parse_awakeable_id(text)
    except BadId as error:
        raise Refused(RefusalCode.BAD_TARGET, str(error)) from None


def check_scope(scope: str | None, limit_key: str | None = None) -> None:
    """Scopes, and the limit keys below them, are not served; raises Refused."""
    if scope is not None or limit_key is not None:
        message = "scopes and limit keys are not enabled on this server: leave them out"
        raise Refused(RefusalCode.NO_SCOPES, message)


def show_target(service: str, handler: str, key: str) -> str:
    """How people see a target: `Service/handler` or `Object/key/handler`."""
    return f"{service}/{key}/{handler}" if key else f"{service}/{handler}"
