"""Listings say what they do not show; what is done to many is counted, asked about, and bounded."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.cli import operations
from orchestrator.model.records import Cancel
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import World
from tests.unit.cli.printed import Printed
from tests.unit.machine.bench import uid

Perdure = Callable[..., Printed]
NEWEST = "2026-11-27T09:00:00Z"


def made_at(n: int) -> str:
    """Ten of them in each moment."""
    return f"2026-11-27T08:{n // 600:02}:{n // 10 % 60:02}Z"


def holds(count: int) -> Callable[[str], list[dict[str, Any]]]:
    """A server of so many invocations that all match, as the real one pages through them."""
    made = [
        {
            "id": invocation_id_to_str(uid(n + 1)),
            "target": "Greeter/greet",
            "status": "running",
            "created_at": made_at(n),
        }
        for n in range(count)
    ]
    made.sort(key=lambda one: (one["created_at"], one["id"]))

    def rows(sql: str) -> list[dict[str, Any]]:
        if "COUNT(1)" in sql:
            return [{"n": count, "newest": NEWEST}]
        since = re.search(r"created_at >= TIMESTAMP '([^']+)'", sql)
        left = [one for one in made if since is None or one["created_at"] >= since[1]]
        return left[: int(sql.rpartition("LIMIT ")[2])]

    return rows


def test_a_listing_says_how_many_it_does_not_show(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(70)
    for flags in ([], ["--json"]):
        listed = perdure("invocations", "list", *flags)
        assert listed.code == 0 and listed.err == "50 of 70: --limit shows more\n"
    assert perdure("invocations", "list", "--limit", "70").err == ""
    assert perdure("invocations", "list", "--limit", "-3").code == 2
    server.query.rows = holds(3)
    assert perdure("invocations", "list").err == ""


def test_what_is_chosen(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(1)

    def asked(*flags: str) -> str:
        perdure("invocations", "list", *flags)
        return server.query.asked[-1]

    assert "WHERE status != 'completed' ORDER BY" in asked()
    assert "WHERE" not in asked("--all")
    assert "completion_result = 'failure'" in asked("--result", "failure")
    assert "created_at < now() - INTERVAL '7200 seconds'" in asked("--older-than", "2h")
    assert "created_at >= now() - INTERVAL '60 seconds'" in asked("--newer-than", "1m")
    several = asked("--service", "a", "--handler", "b", "--key", "c", "--deployment", "d")
    assert "pinned_deployment_id = 'd'" in several and several.count(" AND ") == 4
    assert perdure("invocations", "list", "--older-than", "soon").code == 2


def test_nothing_is_done_unless_somebody_says_so(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(70)
    for words in (["cancel"], ["kill", "--yes"], ["purge", "inv_1", "--service", "Greeter"]):
        refused = perdure("invocations", *words)
        assert refused.code == 2 and "--service" in refused.err
    asked = perdure("invocations", "cancel", "--service", "Greeter")
    assert asked.code == 2 and "cancel 70 invocations? Add --yes" in asked.err
    assert server.engine.operations == []


def test_a_filter_that_finds_nothing_may_name_no_service(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(0)
    said = "there is no service 'greter': did you mean 'Greeter'?"
    for verb in (["list"], ["kill", "--yes"]):
        assert said in perdure("invocations", *verb, "--service", "greter").err
        assert "no service" not in perdure("invocations", *verb, "--service", "Greeter").err
    assert perdure("invocations", "list", "--service", "Zzz").err == "there is no service 'Zzz'\n"
    for words, said in (
        (("--handler", "gret"), "a handler 'gret': did you mean 'greet' or 'get'?\n"),
        (
            ("--service", "Counter", "--handler", "greet"),
            "'Counter' has no handler 'greet': did you mean 'get'?\n",
        ),
        (("--handler", "greet"), ""),
        (("--deployment", "dp_x"), "no deployment 'dp_x': perdure deployments list has them\n"),
    ):
        found = perdure("invocations", "list", *words).err
        assert found.endswith(said) and bool(found) == bool(said), words


@pytest.mark.parametrize("count", [1200, 2400])
def test_many_are_done_in_batches(
    count: int, server: World, perdure: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, though none of them leaves the listing, and in requests of a bounded size."""
    monkeypatch.setattr(operations, "PAGE_MAX", 1000)
    server.query.rows = holds(count)
    done = perdure("invocations", "cancel", "--service", "Greeter", "--yes", "--json")
    assert [type(one) for one in server.engine.operations] == [Cancel] * count
    assert len({one.target_id for one in server.engine.operations}) == count
    assert done.code == 1 and len(done.json["failed"]) == count  # none of them is there
    assert "cancel" in done.err  # how far it is
    queries = [sql for sql in server.query.asked if "COUNT" not in sql]
    assert len(queries) == count // 1000 + 1
    assert all("ORDER BY created_at, id LIMIT 1000" in sql for sql in queries)
    assert all(f"created_at <= TIMESTAMP '{NEWEST}'" in sql for sql in queries)


def test_what_is_said_is_what_happened(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(3)
    server.bench.invoke(uid(1))
    server.bench.invoke(uid(2))
    done = perdure("invocations", "cancel", "--all", "--yes")
    assert done.code == 1
    assert done.out == "2 invocations: cancel requested\n"
    third = invocation_id_to_str(uid(3))
    assert done.err.startswith("1 refused: there is no such invocation: it was purged, ")
    assert done.err.endswith(f" of another server ({third})\n")
    server.query.rows = holds(2)
    assert perdure("invocations", "kill", "--all", "--yes").out == "2 invocations: killed\n"
    server.query.rows = holds(0)
    nothing = perdure("invocations", "purge", "--all", "--yes")
    assert (nothing.code, nothing.out) == (0, "there is no such invocation: nothing was done\n")


def test_each_verb_is_for_what_it_can_be_done_to(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(0)
    for verb, term in (
        ("cancel", "status != 'completed'"),
        ("resume", "status IN ('paused', 'backing-off')"),
        ("restart-as-new", "status = 'completed'"),
        ("purge", "status = 'completed'"),
    ):
        assert perdure("invocations", verb, "--all", "--yes").code == 0
        assert server.query.asked[-1].endswith(f"WHERE {term}"), verb
    perdure("invocations", "resume", "--pinned-to", "dp_1", "--deployment", "latest", "--yes")
    assert "pinned_deployment_id = 'dp_1'" in server.query.asked[-1]


def test_an_answer_for_scripts_is_one_document(server: World, perdure: Perdure) -> None:
    server.query.rows = holds(0)
    done = perdure("invocations", "purge", "--all", "--yes", "--json")
    assert json.loads(done.out) == {"operation": "purge", "succeeded": [], "failed": []}
