"""What a registration changes is shown, and asked about where it breaks what works."""

from collections.abc import Callable
from typing import Any

from tests.unit.admin.world import COUNTER, GREETER, SIGNUP, URI, World
from tests.unit.cli.printed import Printed
from tests.unit.registry.samples import discovered

Perdure = Callable[..., Printed]
OTHER = "http://127.0.0.1:9081/"


def serves(server: World, *manifests: dict[str, Any], at: str = OTHER) -> None:
    server.endpoints[at] = discovered(*manifests)


def test_what_is_new_is_shown(server: World, perdure: Perdure) -> None:
    handlers = [*COUNTER["handlers"], {"name": "reset"}]
    shop = {"name": "Shop", "ty": "SERVICE", "handlers": [{"name": "buy"}, {"name": "look"}]}
    serves(server, COUNTER | {"handlers": handlers}, shop)
    made = perdure("deployments", "register", OTHER)
    assert made.code == 0
    assert made.out.splitlines()[:2] == ["+ Counter/reset", "+ Shop (Service): buy, look"]
    again = perdure("deployments", "register", OTHER)
    assert again.code == 0 and "unchanged" in again.out and "+" not in again.out
    found = perdure("deployments", "register", OTHER, "--force", "--json").json
    assert found["changes"] == []


def test_what_breaks_is_asked_about(server: World, perdure: Perdure) -> None:
    serves(server, COUNTER | {"handlers": [{"name": "add"}]}, GREETER | {"ty": "VIRTUAL_OBJECT"})
    refused = perdure("deployments", "register", OTHER)
    assert refused.code == 2 and "Add --yes" in refused.err
    assert "- Counter/get: calls to it are refused" in refused.out
    assert "! Greeter: type Service -> VirtualObject" in refused.out
    assert len(perdure("deployments", "list", "--json").json) == 1
    dry = perdure("deployments", "register", OTHER, "--dry-run")
    assert dry.code == 0 and "would be registered" in dry.out
    assert len(perdure("deployments", "list", "--json").json) == 1
    assert perdure("deployments", "register", OTHER, "--yes").code == 0
    assert perdure("services", "describe", "Greeter", "--json").json["ty"] == "VirtualObject"


def test_a_service_that_is_overwritten_away(server: World, perdure: Perdure) -> None:
    server.query.rows = lambda sql: [{"status": "running", "n": 3}]
    serves(server, COUNTER, at=URI)
    done = perdure("deployments", "register", URI, "--force")
    assert "- Greeter: it is not served any more" in done.out
    assert "in use by 3 invocations" in done.err and "perdure replay" in done.err


def test_settings_that_change(server: World, perdure: Perdure) -> None:
    serves(server, COUNTER | {"journalRetention": 3_600_000})
    lines = perdure("deployments", "register", OTHER).out.splitlines()
    assert lines[0].startswith("~ Counter: journal_retention ") and lines[0].endswith("-> 1h")


def test_what_is_drained(server: World, perdure: Perdure) -> None:
    (old,) = (one["id"] for one in perdure("deployments", "list", "--json").json)
    assert "no deployment is drained" in _list_drained(server, perdure, []).out
    serves(server, GREETER, COUNTER, SIGNUP)
    perdure("deployments", "register", OTHER)
    busy = [{"id": old, "n": 1}]
    assert "no deployment is drained" in _list_drained(server, perdure, busy).out
    assert [one["id"] for one in _list_drained(server, perdure, [], "--json").json] == [old]
    server.query.rows = lambda sql: []
    described = perdure("deployments", "describe", old).out
    assert "runs on it  nothing" in described
    assert f"it is drained: perdure deployments delete {old}" in described
    server.query.rows = lambda sql: [{"status": "running", "n": 2}, {"status": "paused", "n": 1}]
    assert "3 invocations (1 paused, 2 running)" in perdure("deployments", "describe", old).out
    found = perdure("deployments", "describe", old, "--json").json
    assert found["pinned_invocations"] == {"running": 2, "paused": 1} and found["latest_of"] == []


def _list_drained(
    server: World, perdure: Perdure, busy: list[dict[str, Any]], *flags: str
) -> Printed:
    server.query.rows = lambda sql: busy
    return perdure("deployments", "list", "--drained", *flags)
