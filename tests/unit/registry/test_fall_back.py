"""A deployment that goes leaves its services to the newest that remains."""

from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.records import DeploymentDeleted
from orchestrator.registry.snapshot import Defaults, build_registry
from tests.unit.registry.samples import registered, service


def two_deployments() -> MetadataState:
    state = MetadataState()
    registered(state, service("A"), service("B"), uri="http://a/", new_id="dp_old")
    registered(state, service("A"), uri="http://b/", new_id="dp_new")
    return state


def deleted(state: MetadataState, name: str) -> None:
    assert apply_metadata(state, DeploymentDeleted(state.version, name))


def test_the_older_deployment_serves_again() -> None:
    state = two_deployments()
    assert state.latest == {"A": "dp_new", "B": "dp_old"}
    deleted(state, "dp_new")
    registry = build_registry(state, Defaults())
    found = registry.latest("A")
    assert found is not None and found.id == "dp_old"
    assert registry.handler("A", "greet") is not None


def test_the_newest_revision_wins_wherever_it_is() -> None:
    state = two_deployments()
    registered(state, service("A"), uri="http://c/", new_id="dp_0")
    registered(state, service("A"), uri="http://a/", force=True)  # the oldest is found anew
    deleted(state, "dp_old")
    assert state.latest == {"A": "dp_0"}


def test_a_deployment_that_is_found_anew_without_a_service_leaves_it_to_others() -> None:
    state = two_deployments()
    registered(state, service("B"), uri="http://b/", force=True)
    assert state.latest == {"A": "dp_old", "B": "dp_new"}


def test_the_last_one_takes_the_service_with_it() -> None:
    state = two_deployments()
    deleted(state, "dp_old")
    deleted(state, "dp_new")
    assert state.latest == {}
    assert state.revisions == {"A": 2, "B": 1}, "none is ever given twice"
