"""From a handler and a request to the Invoke record: ids, retention and the input rules."""

from collections.abc import Callable

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.ids import idempotent_id, key_partition_key, workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import BY_INGRESS, BY_SUBSCRIPTION, KAFKA, WORKFLOW_RUN, Caller
from orchestrator.registry.schema import Handler, InputRules


def invocation_id_for(
    handler: Handler, key: str, idempotency_key: str | None, fresh: Callable[[], bytes]
) -> bytes:
    """The id of an invocation: derived from its key where that names it, else from `fresh`.

    `fresh` gives a whole new id (24 bytes) in a partition of the caller's choice; keyed targets
    keep its identity and go to the partition of their key.
    """
    if handler.kind == WORKFLOW_RUN:
        return workflow_id(handler.service, key)
    if idempotency_key is not None:
        on = key if handler.keyed else None
        return idempotent_id(handler.service, on, handler.name, idempotency_key)
    if handler.keyed:
        return key_partition_key(key) + fresh()[8:]
    return fresh()


def is_named(handler: Handler, idempotency_key: str | None) -> bool:
    """Whether the same request, sent again, means the same invocation: it may be repeated."""
    return idempotency_key is not None or handler.kind == WORKFLOW_RUN


def retention_of(
    handler: Handler, idempotency_key: str | None, by: int = BY_INGRESS
) -> tuple[int, int]:
    """(completion, journal) retention in ms of an invocation.

    Who called it may ask for the result by its id. Nobody can who is a record of a topic, or sent
    one: of these without a key as much is kept as the journal needs.
    """
    journal = handler.journal_retention_ms
    if handler.kind == WORKFLOW_RUN:
        completion = handler.workflow_retention_ms
    elif idempotency_key is None and (by == BY_SUBSCRIPTION or handler.service == KAFKA):
        completion = journal
    else:
        completion = handler.idempotency_retention_ms
    return completion, min(journal, completion)


def make_invoke(
    handler: Handler,
    invocation_id: bytes,
    key: str,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    now_ms: int,
    *,
    idempotency_key: str | None = None,
    start_at_ms: int = 0,
    caller: Caller | None = None,
    by: int = BY_INGRESS,
    by_id: bytes = b"",
    by_target: str = "",
    trace: tuple[str, str] = ("", ""),
) -> Invoke:
    """The record that starts an invocation of `handler`."""
    completion_ms, journal_ms = retention_of(handler, idempotency_key, by)
    return Invoke(
        id=invocation_id,
        service=handler.service,
        handler=handler.name,
        key=key,
        kind=handler.kind,
        body=body,
        headers=headers,
        created_at_ms=now_ms,
        completion_retention_ms=completion_ms,
        journal_retention_ms=journal_ms,
        idempotency_key=idempotency_key,
        start_at_ms=start_at_ms,
        caller=caller,
        by=by,
        by_id=by_id,
        by_target=by_target,
        trace=trace,
    )


def check_input(rules: InputRules, content_type: str | None, is_empty: bool) -> None:
    """Raises Refused for a body, or a content type, that a handler does not take."""
    if rules.anything:
        return
    wrong = _wrong_input(rules, content_type, is_empty)
    if wrong:
        raise Refused(RefusalCode.BAD_INPUT, wrong)


def _wrong_input(rules: InputRules, content_type: str | None, is_empty: bool) -> str:
    if rules.empty and is_empty and content_type is None:
        return ""
    if not rules.content_type:
        return "this handler takes no input: send neither a body nor a content-type"
    if content_type is None:
        needed = "a body and a" if rules.needs_body and is_empty else "a"
        return f"{needed} content-type header is needed: {rules.content_type}"
    if not _media_type_matches(rules.content_type, content_type):
        return (
            f"content-type {content_type!r} does not match {rules.content_type!r}: send a body of"
            f" that type, with the header content-type: {rules.content_type}"
        )
    if rules.needs_body and is_empty:
        return "this handler needs a body"
    return ""


def _media_type_matches(pattern: str, content_type: str) -> bool:
    """Compare media types without parameters; `pattern` may end in wildcards. What says that it
    is JSON by its suffix (RFC 6839), like a CloudEvent of a feed, is JSON."""
    if pattern == content_type:
        return True
    wanted = pattern.partition(";")[0].strip().lower()
    given = content_type.partition(";")[0].strip().lower()
    if wanted == "*/*" or wanted == given:
        return True
    if wanted == "application/json" and given.endswith("+json"):
        return True
    return wanted.endswith("/*") and given.startswith(wanted[:-1])
