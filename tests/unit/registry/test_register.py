"""Registration: new, unchanged, overwritten, refused; moves; what a deletion takes along."""

import pytest

from orchestrator.registry.addresses import AddressError, check_endpoint_headers, normalise_uri
from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.register import RegistrationOutcome, check_protocol, plan_move
from orchestrator.registry.snapshot import Defaults, build_registry
from tests.unit.registry.samples import discovered, plan, registered, service

OTHER = "http://127.0.0.1:9081/"


def test_a_new_deployment_serves_new_invocations() -> None:
    state = MetadataState()
    made = registered(state, service())
    assert made.outcome == RegistrationOutcome.CREATED
    registry = build_registry(state, Defaults())
    latest = registry.latest("Greeter")
    assert latest is not None and latest.id == "dp_1" and latest.bidi and not latest.http1
    assert latest.sdk_version == "restate-sdk-python/1.3.0"
    assert registry.handler("Greeter", "greet") is not None
    assert registry.handler("Greeter", "other") is None


def test_the_same_address_changes_nothing_without_force() -> None:
    state = MetadataState()
    registered(state, service())
    again = plan(state, service("Other"), new_id="dp_2")
    assert again.outcome == RegistrationOutcome.UNCHANGED and again.record is None
    assert again.deployment.id == "dp_1"


def test_force_overwrites_in_place_with_a_new_revision() -> None:
    state = MetadataState()
    registered(state, service(), service("Gone"))
    again = registered(state, service(), service("New"), new_id="dp_2", force=True)
    assert again.outcome == RegistrationOutcome.OVERWRITTEN and again.deployment.id == "dp_1"
    registry = build_registry(state, Defaults())
    greeter = registry.service("Greeter")
    assert greeter is not None and greeter.revision == 2
    assert registry.service("Gone") is None and registry.service("New") is not None
    assert list(registry.deployments) == ["dp_1"]


def test_another_address_is_the_next_revision_and_the_old_one_stays() -> None:
    state = MetadataState()
    registered(state, service())
    registered(state, service(), uri=OTHER, new_id="dp_2")
    registry = build_registry(state, Defaults())
    latest = registry.service("Greeter")
    assert latest is not None and (latest.deployment_id, latest.revision) == ("dp_2", 2)
    old = registry.handler_on("dp_1", "Greeter", "greet")
    assert old is not None and old.deployment_id == "dp_1"


def test_headers_that_route_make_another_deployment() -> None:
    state = MetadataState()
    routing = frozenset(["x-version"])
    registered(state, service(), headers=(("x-version", "1"),), routing_headers=routing)
    again = plan(state, service(), headers=(("x-version", "2"),), routing_headers=routing)
    assert again.outcome == RegistrationOutcome.CREATED
    same = plan(state, service(), headers=(("x-other", "2"), ("x-version", "1")),
                routing_headers=routing)  # fmt: skip
    assert same.outcome == RegistrationOutcome.UNCHANGED


def test_another_type_breaks_and_says_so() -> None:
    state = MetadataState()
    registered(state, service())
    keyed = service(ty="VIRTUAL_OBJECT")
    with pytest.raises(RegistryError) as caught:
        plan(state, keyed, uri=OTHER)
    assert (caught.value.code, caught.value.status) == ("META0006", 409)
    assert plan(state, keyed, uri=OTHER, breaking=True).outcome == RegistrationOutcome.CREATED
    assert plan(state, keyed, uri=OTHER, force=True).outcome == RegistrationOutcome.CREATED


@pytest.mark.parametrize(("low", "high"), [(1, 4), (8, 9), (7, 5)])
def test_a_protocol_nobody_here_speaks(low: int, high: int) -> None:
    found = discovered(service(), minProtocolVersion=low, maxProtocolVersion=high)
    with pytest.raises(RegistryError) as caught:
        check_protocol(found)
    assert caught.value.code == "META0012"


@pytest.mark.parametrize(("low", "high"), [(1, 5), (5, 7), (7, 99)])
def test_ranges_that_overlap(low: int, high: int) -> None:
    check_protocol(discovered(service(), minProtocolVersion=low, maxProtocolVersion=high))


def test_no_streams_over_http_1_0() -> None:
    with pytest.raises(RegistryError) as caught:
        check_protocol(discovered(service(), http_version="1.0"))
    assert caught.value.code == "META0015"
    check_protocol(discovered(service(), http_version="1.0", protocolMode="REQUEST_RESPONSE"))
    check_protocol(discovered(service(), http_version="1.1"))


def test_a_move_keeps_services_and_who_is_the_latest() -> None:
    state = MetadataState()
    registered(state, service())
    registered(state, service(), uri=OTHER, new_id="dp_2")
    old = state.deployments["dp_1"]
    moved = plan_move(
        state, old, DiscoveryTarget("http://h:1/"), False, discovered(service()), frozenset()
    )
    assert moved.record is not None and apply_metadata(state, moved.record)
    registry = build_registry(state, Defaults())
    deployment, latest = registry.deployment("dp_1"), registry.latest("Greeter")
    assert deployment is not None and deployment.uri == "http://h:1/"
    assert deployment.services["Greeter"].revision == 1
    assert latest is not None and latest.id == "dp_2"


def test_a_move_to_where_handlers_are_missing_or_another_lives() -> None:
    state = MetadataState()
    registered(state, service())
    registered(state, service(), uri=OTHER, new_id="dp_2")
    old = state.deployments["dp_1"]
    renamed = discovered(service(handlers=[{"name": "hi"}]))
    with pytest.raises(RegistryError) as caught:
        plan_move(state, old, DiscoveryTarget("http://h:1/"), False, renamed, frozenset())
    assert caught.value.code == "META0016"
    over = plan_move(state, old, DiscoveryTarget("http://h:1/"), True, renamed, frozenset())
    assert over.deployment.services[0].revision == 3
    with pytest.raises(RegistryError) as caught:
        plan_move(state, old, DiscoveryTarget(OTHER), False, discovered(service()), frozenset())
    assert caught.value.code == "META0017"


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("http://localhost:9080", "http://localhost:9080/"),
        ("HTTP://LocalHost:80", "http://localhost/"),
        ("https://h:443/a/b/", "https://h/a/b/"),
        ("http://[::1]:9080", "http://[::1]:9080/"),
        ("http://h/A%20b", "http://h/A%20b"),
    ],
)
def test_addresses(given: str, uri: str) -> None:
    assert normalise_uri(given) == uri


@pytest.mark.parametrize(
    "given",
    ["", "localhost:9080", "/path", "ftp://h", "http://", "http://u:p@h", "http://h?q=1",
     "http://h#f", "http://h:99999", "http://h:x", "http://a b", "http://a\nb", "http://h:0",
     "http://h/\u00e9", "http://h/" + "x" * 3000, "http://[::1", "arn:aws:lambda:x"],
)  # fmt: skip
def test_addresses_refused(given: str) -> None:
    with pytest.raises(AddressError):
        normalise_uri(given)


def test_headers() -> None:
    assert check_endpoint_headers({"X-B": " v ", "a": ""}) == (("a", ""), ("x-b", "v"))
    for bad in ({"a b": "x"}, {"a": "x\r\ny: z"}, {"": "x"}, {"Content-Length": "1"},
                {"a": "\u00e9"}, {"a": "x" * 20_000}, {"X-Restate-JWT-v1": "x"},
                {"x-restate-signature-scheme": "v1"}, {"Content-Type": "text/plain"},
                {"accept": "x"}, {"Content-Encoding": "gzip"}, {"Expect": "100-continue"},
                {"traceparent": "x"}):  # fmt: skip
        with pytest.raises(AddressError):
            check_endpoint_headers(bad)
