"""Resolution of options: handler, then service, then server; retention and input rules."""

from typing import Any

import pytest

from orchestrator.model.ids import idempotent_id, key_partition_key, workflow_id
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from orchestrator.registry.durations import DURATION_MS_MAX
from orchestrator.registry.metadata import MetadataState, ServicePatched, apply
from orchestrator.registry.resolve import check_input, invocation_id_for, make_invoke
from orchestrator.registry.schema import Handler, InputRules, Registry, RetryPolicy
from orchestrator.registry.snapshot import DAY_MS, Defaults, build_registry, input_rules
from orchestrator.registry.stored import Settings, StoredInput
from tests.unit.registry.samples import registered, service


def built(*services: dict[str, Any], defaults: Defaults | None = None) -> Registry:
    state = MetadataState()
    registered(state, *services)
    return build_registry(state, defaults or Defaults())


def handler_of(registry: Registry, service_name: str = "Greeter", name: str = "greet") -> Handler:
    found = registry.handler(service_name, name)
    assert found is not None
    return found


def test_defaults_of_the_server() -> None:
    greet = handler_of(built(service()))
    assert greet.inactivity_timeout_ms == 60_000 and greet.abort_timeout_ms == 600_000
    assert greet.journal_retention_ms == greet.idempotency_retention_ms == DAY_MS
    assert greet.retry == RetryPolicy(500, 2.0, 60_000, 70, THEN_PAUSE)
    assert greet.public and not greet.lazy_state


def test_handler_over_service_over_server() -> None:
    given = service(
        inactivityTimeout=1,
        abortTimeout=2,
        retryPolicyMaxAttempts=0,
        enableLazyState=True,
        handlers=[
            {"name": "greet", "inactivityTimeout": 3, "enableLazyState": False},
            {"name": "other", "retryPolicyOnMaxAttempts": "KILL", "ingressPrivate": True},
        ],
    )
    registry = built(given)
    greet, other = handler_of(registry), handler_of(registry, name="other")
    assert (greet.inactivity_timeout_ms, greet.abort_timeout_ms) == (3, 2)
    assert not greet.lazy_state and other.lazy_state
    assert greet.retry.max_attempts == 1  # 0 is taken as 1
    assert other.retry.on_max_attempts == THEN_KILL
    assert greet.public and not other.public


def test_the_server_turns_eager_state_off_for_all() -> None:
    assert handler_of(
        built(service(enableLazyState=False), defaults=Defaults(lazy_state=True))
    ).lazy_state


def test_for_ever_is_a_thousand_years() -> None:
    greet = handler_of(built(service(journalRetention=2**63 - 1)))
    assert greet.journal_retention_ms == DURATION_MS_MAX


def test_a_patch_holds_until_the_next_discovery() -> None:
    state = MetadataState()
    flow = service(
        "Flow",
        ty="WORKFLOW",
        handlers=[{"name": "run", "ty": "WORKFLOW", "workflowCompletionRetention": 5}],
    )
    registered(state, flow)
    settings = Settings(workflow_retention_ms=7, journal_retention_ms=9)
    assert apply(state, ServicePatched(state.version, "Flow", False, settings))
    run = handler_of(build_registry(state, Defaults()), "Flow", "run")
    assert run.workflow_retention_ms == 7 and run.journal_retention_ms == 9 and not run.public
    registered(state, flow, force=True)
    run = handler_of(build_registry(state, Defaults()), "Flow", "run")
    assert run.workflow_retention_ms == 5 and run.public
    assert not apply(state, ServicePatched(state.version, "Nobody", True, Settings()))


def retention(handler: Handler, idempotency_key: str | None = None) -> tuple[int, int]:
    made = make_invoke(handler, b"i" * 24, "", b"", (), 0, idempotency_key=idempotency_key)
    return made.completion_retention_ms, made.journal_retention_ms


def test_retention_rules() -> None:
    options: dict[str, Any] = {"journalRetention": 10, "idempotencyRetention": 4}
    greet = handler_of(built(service(**options)))
    assert retention(greet) == (10, 10)
    assert retention(greet, "k") == (4, 4)
    nothing = handler_of(built(service(journalRetention=0)))
    assert retention(nothing) == (0, 0)
    assert retention(nothing, "k") == (DAY_MS, 0)
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
    assert (check_input(input_rules(declared), content_type, is_empty) == "") is taken


def test_nothing_declared_takes_anything() -> None:
    assert input_rules(None) == InputRules()
