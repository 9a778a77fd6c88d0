"""Resolution of options: handler, then service, then server; retention and input rules."""

import pytest

from orchestrator.model.durations import DURATION_MS_MAX
from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from orchestrator.registry import snapshot
from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.records import ServicePatched
from orchestrator.registry.schema import Deployment, InputRules, RetryPolicy
from orchestrator.registry.snapshot import (
    DAY_MS,
    Defaults,
    build_registry,
    input_rules,
    resolve_deployment,
)
from orchestrator.registry.stored import Settings, StoredDeployment
from tests.unit.registry.samples import built, handler_of, registered, service


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
    assert apply_metadata(state, ServicePatched(state.version, "Flow", False, settings))
    run = handler_of(build_registry(state, Defaults()), "Flow", "run")
    assert run.workflow_retention_ms == 7 and run.journal_retention_ms == 9 and not run.public
    registered(state, flow, force=True)
    run = handler_of(build_registry(state, Defaults()), "Flow", "run")
    assert run.workflow_retention_ms == 5 and run.public
    assert not apply_metadata(state, ServicePatched(state.version, "Nobody", True, Settings()))


def test_nothing_declared_takes_anything() -> None:
    assert input_rules(None) == InputRules()


def test_a_change_works_out_what_it_changes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a thousand deployments of the past do not make each new one slow."""
    state = MetadataState()
    for number in range(5):
        services = service(f"S{number}"), service("Shared")
        registered(state, *services, uri=f"http://h:{number}/", new_id=f"dp_{number}")
    before = build_registry(state, Defaults())
    resolved: list[str] = []

    def counted(stored: StoredDeployment, defaults: Defaults) -> Deployment:
        resolved.append(stored.uri)
        return resolve_deployment(stored, defaults)

    monkeypatch.setattr(snapshot, "resolve_deployment", counted)
    assert apply_metadata(state, ServicePatched(state.version, "S2", False, Settings()))
    registered(state, service("Shared"), uri="http://h:9/", new_id="dp_9")
    after = build_registry(state, Defaults(), before=before)
    assert resolved == ["http://h:2/", "http://h:9/"]
    assert after.deployments == build_registry(state, Defaults()).deployments
    private = after.service("S2")
    assert private is not None and not private.public
    found = after.latest("Shared")
    assert found is not None and found.uri == "http://h:9/"
