"""Rules for keys. They become keys of rows, so that they have a length."""

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.limits import KEY_BYTES_MAX
from orchestrator.model.values import WORKFLOW_RUN
from orchestrator.registry.schema import Handler

_CHARS_SURE = KEY_BYTES_MAX // 4  # so many characters fit, whatever they are


def check_key(key: str, what: str = "a key") -> str:
    """The key itself; raises Refused if it is too long. `what` names it in the message."""
    if len(key) > _CHARS_SURE and len(key.encode()) > KEY_BYTES_MAX:
        raise Refused(RefusalCode.BAD_KEY, f"{what} is longer than {KEY_BYTES_MAX} bytes")
    return key


def check_state_key(key: bytes) -> bytes:
    """The key of a value of state; raises Refused if it is too long."""
    if len(key) > KEY_BYTES_MAX:
        raise Refused(RefusalCode.BAD_KEY, f"a state key is longer than {KEY_BYTES_MAX} bytes")
    return key


def key_of(handler: Handler, key: str | None) -> str:
    """The key a handler is called with, "" if it has none. `key` None: none was given."""
    if handler.keyed:
        if key is None:
            raise Refused(RefusalCode.BAD_KEY, f"{handler.service}/{handler.name} needs a key")
        return check_key(key)
    if key is not None:
        message = f"{handler.service}/{handler.name} has no keys, but one is given"
        raise Refused(RefusalCode.BAD_KEY, message)
    return ""


def check_idempotency_key(handler: Handler, key: str | None) -> str | None:
    """The idempotency key itself, None if none was given; raises Refused."""
    if key is None:
        return None
    if handler.kind == WORKFLOW_RUN:
        message = "the run of a workflow takes no idempotency key: its key is its identity"
    elif not key:
        message = "the idempotency key is empty"
    elif len(key) > _CHARS_SURE and len(key.encode()) > KEY_BYTES_MAX:
        message = f"an idempotency key is longer than {KEY_BYTES_MAX} bytes"
    else:
        return key
    raise Refused(RefusalCode.BAD_IDEMPOTENCY_KEY, message)
