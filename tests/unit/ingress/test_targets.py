"""Routes: every shape of path, and what is wrong with the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.door.refusals import Refused
from orchestrator.ingress.refusals import HttpRefused, status_of
from orchestrator.ingress.targets import (
    AwakeableRoute,
    CallRoute,
    HealthRoute,
    ReadRoute,
    Route,
    Routes,
    TargetRoute,
    route_request,
)
from orchestrator.model.ids import idempotent_id, workflow_id
from orchestrator.model.limits import KEY_BYTES_MAX
from perdure.wire.ids import invocation_id_to_str
from tests.unit.ingress.engine import registry

REGISTRY = registry()
ID = bytes(range(24))
ID_TEXT = invocation_id_to_str(ID)


def found(path: str, method: str = "POST") -> Route:
    return route_request(method.encode(), path.encode(), REGISTRY)


def refused(method: bytes, path: bytes) -> int:
    """The status of a refusal, which says why."""
    try:
        route_request(method, path, REGISTRY)
    except Refused as refused:
        assert refused.refusal.message
        return status_of(refused.refusal.code)
    except HttpRefused as refused:
        assert refused.message
        return refused.status
    raise AssertionError("it was not refused")


@pytest.mark.parametrize(
    ("path", "handler", "key", "send"),
    [
        ("/Greeter/greet", "greet", "", False),
        ("/Greeter/greet/", "greet", "", False),
        ("//Greeter/greet", "greet", "", False),
        ("//Counter/k/add/send", "add", "k", True),
        ("///restate/call/Counter//add", "add", "", False),
        ("/Greeter/greet/send", "greet", "", True),
        ("/Counter/k/add", "add", "k", False),
        ("/Counter/send/add/send", "add", "send", True),
        ("/Counter/a%2Fb%20c/add", "add", "a/b c", False),
        ("/Counter/%C3%A4/add", "add", "ä", False),
        ("/Counter//add", "add", "", False),
        ("/Signup/u/run", "run", "u", False),
        ("/restate/call/Greeter/greet", "greet", "", False),
        ("/restate/send/Greeter/greet", "greet", "", True),
        ("/restate/call/Counter/k/add", "add", "k", False),
        ("/restate/send/Counter/k/add", "add", "k", True),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_calls(path: str, handler: str, key: str, send: bool, method: str) -> None:
    call = found(path, method)
    assert isinstance(call, CallRoute)
    assert (call.handler.name, call.key, call.send) == (handler, key, send)


@pytest.mark.parametrize("wait", [True, False])
def test_reads(wait: bool) -> None:
    verb = "attach" if wait else "output"
    by_id = ReadRoute(ID, wait)
    assert found(f"/restate/{verb}/{ID_TEXT}", "GET") == by_id
    assert found(f"/restate/invocation/{ID_TEXT}/{verb}", "GET") == by_id
    plain = found(f"/restate/invocation/Greeter/greet/k1/{verb}", "GET")
    assert isinstance(plain, ReadRoute)
    assert plain.invocation_id == idempotent_id("Greeter", None, "greet", "k1")
    keyed = found(f"/restate/invocation/Counter/c/add/k1/{verb}", "GET")
    assert isinstance(keyed, ReadRoute)
    assert keyed.invocation_id == idempotent_id("Counter", "c", "add", "k1")
    workflow = found(f"/restate/workflow/Signup/u%2F1/{verb}", "GET")
    assert isinstance(workflow, ReadRoute)
    assert workflow.invocation_id == workflow_id("Signup", "u/1")
    assert workflow.wait == keyed.wait == plain.wait == wait


def test_a_base_url_with_a_slash_at_its_end_is_kept_but_once() -> None:
    routes = Routes()
    for count in range(1, 50):
        assert routes.find(b"POST", b"/" * count + b"Greeter/greet", REGISTRY) is not None
    assert list(routes._known) == [b"/Greeter/greet"]


@pytest.mark.parametrize(
    "path", ["/restate/health", f"/restate/output/{ID_TEXT}", "/restate/workflow/Signup/u/attach"]
)
def test_head_is_answered_where_get_is(path: str) -> None:
    assert found(path, "HEAD") == found(path, "GET")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/Greeter/greet", b"GET, POST"),  # it would call the handler
        ("PUT", "/restate/health", b"HEAD, GET"),
        ("HEAD", "/restate/lookup", b"POST"),
    ],
)
def test_a_method_that_is_refused_is_told_which_are_not(
    method: str, path: str, allowed: bytes
) -> None:
    with pytest.raises(HttpRefused) as refused:
        found(path, method)
    assert (refused.value.status, refused.value.headers) == (405, b"allow: %b\r\n" % allowed)


def test_the_rest() -> None:
    assert found("/restate/health", "GET") == HealthRoute()
    for what in ("attach", "output", "lookup"):
        assert found(f"/restate/{what}") == TargetRoute(what)
    assert found("/restate/awakeables/sign_1x/resolve") == AwakeableRoute("sign_1x", True)
    assert found("/restate/a/sign_1x/reject") == AwakeableRoute("sign_1x", False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 400),
        ("POST", "/Greeter", 400),
        ("POST", "/Greeter/a/b/c/d/e", 400),
        ("POST", "/Greeter/greet/sent", 400),
        ("POST", "/Counter/add", 400),
        ("POST", "/Counter/k/add/x", 400),
        ("POST", "/Counter/%zz/add", 400),
        ("POST", "/Counter/%/add", 400),
        ("POST", "/Counter/%ff/add", 400),
        ("POST", "/Counter/" + "k" * (KEY_BYTES_MAX + 1) + "/add", 400),
        ("POST", "/Greeter/hidden", 400),
        ("POST", "/Private/x", 400),
        ("POST", "/Nobody/greet", 404),
        ("POST", "/Greeter/nothing-here", 404),
        ("POST", "/openapi", 404),
        ("POST", "/restate", 404),
        ("POST", "/restate/x", 404),
        ("POST", "/restate/call", 404),
        ("POST", "/restate/call/Greeter", 400),
        ("POST", "/restate/scope/s/call/Greeter/greet", 400),
        ("POST", "/restate/scope/s/send/Greeter/greet", 400),
        ("PUT", "/Greeter/greet", 405),
        ("POST", "/restate/health", 405),
        ("GET", "/restate/attach", 405),
        ("GET", "/restate/awakeables/x/resolve", 405),
        ("POST", f"/restate/attach/{ID_TEXT}", 405),
        ("GET", "/restate/attach/inv_1short", 400),
        ("GET", "/restate/attach/inv_1" + "!" * 33, 400),
        ("GET", f"/restate/invocation/{ID_TEXT}", 404),
        ("GET", "/restate/invocation/attach", 404),
        ("GET", "/restate/invocation/a/b/attach", 400),
        ("GET", "/restate/invocation/Greeter/k/greet/k1/attach", 400),
        ("GET", "/restate/invocation/Counter/add/k1/attach", 400),
        ("GET", "/restate/invocation/Signup/u/run/k1/attach", 400),
        ("GET", "/restate/invocation/Greeter/hidden/k1/attach", 400),
        ("GET", "/restate/workflow/Counter/k/attach", 400),
        ("GET", "/restate/workflow/Signup/attach", 400),
        ("GET", "/restate/workflow/Signup/u", 404),
        ("POST", "/restate/awakeables/x/finish", 404),
        ("POST", "/restate/awakeables/x", 404),
    ],
)
def test_refusals(method: str, path: str, status: int) -> None:
    assert refused(method.encode(), path.encode()) == status


def test_a_path_that_is_not_utf8() -> None:
    assert refused(b"POST", b"/Counter/\xff/add") == 400


SEGMENTS = (b"", b"Greeter", b"greet", b"Counter", b"add", b"Signup", b"run", b"send", b"restate")
SEGMENTS += (
    b"call",
    b"k",
    b"k" * (KEY_BYTES_MAX + 1),
    b"a%2Fb",
    b"%zz",
    "\u00e4".encode(),
    b"\xff",
)


def outcome(routes: Routes | None, method: bytes, path: bytes) -> Route | int:
    try:
        if routes is None:
            return route_request(method, path, REGISTRY)
        return routes.find(method, path, REGISTRY)
    except Refused as refused:
        return status_of(refused.refusal.code)
    except HttpRefused as refused:
        return refused.status


@given(st.lists(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=6), max_size=6))
def test_what_is_remembered_gives_what_is_worked_out(paths: list[list[bytes]]) -> None:
    routes = Routes()
    usual = [b"/Greeter/greet", b"/Counter/k/add", b"/Counter/k/add/send", b"/Signup/u/run"]
    for path in usual + [b"/" + b"/".join(segments) for segments in paths]:
        for method in (b"POST", b"GET", b"PUT"):
            assert outcome(routes, method, path) == outcome(None, method, path)
    assert len(routes._known) + len(routes._keyed) <= 5 * len(REGISTRY.services)
