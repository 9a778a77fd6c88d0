"""Ids, retention and input rules of a request."""

from typing import Any

import pytest

from orchestrator.door.invocations import check_input, invocation_id_for, make_invoke
from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.door.sends import SEND_HANDLER
from orchestrator.model.ids import idempotent_id, key_partition_key, workflow_id
from orchestrator.model.utc import DAY_MS
from orchestrator.model.values import BY_INGRESS, BY_SUBSCRIPTION
from orchestrator.registry.schema import Handler
from orchestrator.registry.snapshot import input_rules
from orchestrator.registry.stored import StoredInput
from tests.unit.door.refused import code_of
from tests.unit.registry.samples import built, handler_of, service


def retention(
    handler: Handler, idempotency_key: str | None = None, by: int = BY_INGRESS
) -> tuple[int, int]:
    made = make_invoke(handler, b"i" * 24, "", b"", (), 0, idempotency_key=idempotency_key, by=by)
    return made.completion_retention_ms, made.journal_retention_ms


def test_retention_rules() -> None:
    options: dict[str, Any] = {"journalRetention": 10, "idempotencyRetention": 4}
    greet = handler_of(built(service(**options)))
    assert retention(greet) == (4, 4)
    assert retention(greet, "k") == (4, 4)
    nothing = handler_of(built(service(journalRetention=0)))
    assert retention(nothing) == (DAY_MS, 0)
    assert retention(nothing, "k") == (DAY_MS, 0)
    # Nobody asks for the result of a record of a topic, or of a send to one, by its id.
    assert retention(greet, by=BY_SUBSCRIPTION) == (10, 10)
    assert retention(nothing, by=BY_SUBSCRIPTION) == (0, 0)
    assert retention(nothing, "k", BY_SUBSCRIPTION) == (DAY_MS, 0)
    assert retention(SEND_HANDLER) == (0, 0)
    run = {"name": "greet", "ty": "WORKFLOW", "workflowCompletionRetention": 6}
    flow = handler_of(built(service(ty="WORKFLOW", handlers=[run], journalRetention=10)))
    assert retention(flow) == (6, 6)


def test_ids_are_derived_where_a_key_names_them() -> None:
    def fresh() -> bytes:
        return b"p" * 8 + b"u" * 16

    plain = handler_of(built(service()))
    assert invocation_id_for(plain, "", None, fresh) == fresh()
    assert invocation_id_for(plain, "", "k", fresh) == idempotent_id("Greeter", None, "greet", "k")
    keyed = handler_of(built(service(ty="VIRTUAL_OBJECT")))
    assert invocation_id_for(keyed, "a", None, fresh) == key_partition_key("a") + b"u" * 16
    assert invocation_id_for(keyed, "a", "k", fresh) == idempotent_id("Greeter", "a", "greet", "k")
    run = handler_of(built(service(ty="WORKFLOW", handlers=[{"name": "greet", "ty": "WORKFLOW"}])))
    assert invocation_id_for(run, "a", None, fresh) == workflow_id("Greeter", "a")


@pytest.mark.parametrize(
    ("declared", "content_type", "is_empty", "taken"),
    [
        (None, None, True, True),
        (None, "text/plain", False, True),
        (None, None, False, True),
        (StoredInput(), None, True, True),
        (StoredInput(), None, False, False),
        (StoredInput(), "text/plain", True, False),
        (StoredInput(False, "application/json"), None, True, True),
        (StoredInput(False, "application/json"), None, False, False),
        (StoredInput(True, "application/json"), None, True, False),
        (StoredInput(True, "application/json"), "application/json; charset=utf-8", True, True),
        (StoredInput(True, "application/json"), "APPLICATION/JSON", False, True),
        (
            StoredInput(True, "application/json"),
            "application/cloudevents+json; charset=UTF-8",
            False,
            True,
        ),
        (StoredInput(True, "text/plain"), "application/cloudevents+json", False, False),
        (StoredInput(True, "application/json"), "application/jsonx", False, False),
        (StoredInput(True, "application/*"), "application/cbor", False, True),
        (StoredInput(True, "application/*"), "text/plain", False, False),
        (StoredInput(True, "*/*"), "text/plain", False, True),
        (StoredInput(True, "", "{}"), "application/json", False, True),
        (StoredInput(True, "", "{}"), "application/json", True, False),
    ],
)
def test_input_rules(
    declared: StoredInput | None, content_type: str | None, is_empty: bool, taken: bool
) -> None:
    rules = input_rules(declared)
    if taken:
        check_input(rules, content_type, is_empty)
    else:
        assert code_of(check_input, rules, content_type, is_empty) == RefusalCode.BAD_INPUT


@pytest.mark.parametrize("is_empty", [False, True])
def test_all_that_is_missing_is_said_at_once(is_empty: bool) -> None:
    with pytest.raises(Refused) as refused:
        check_input(input_rules(StoredInput(True, "", "{}")), None, is_empty)
    needed = "a body and a" if is_empty else "a"
    said = f"{needed} content-type header is needed: application/json"
    assert refused.value.refusal.message == said
