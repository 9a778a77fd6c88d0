"""What people and programs change is in the log, with who asked; what they read is at debug."""

import logging
from collections.abc import Iterator

import pytest

from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import URI, World, world
from tests.unit.machine.bench import uid


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        yield made


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [one.getMessage() for one in caplog.records if one.name == "perdure.admin"]
    caplog.clear()
    return found


def test_a_registration_is_told(it: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = it.register()
    made, asked = lines(caplog)
    assert made == (
        f"deployment {found['id']} created: {URI} serves Greeter r1, Counter r1, Signup r1"
    )
    assert asked.startswith("POST /deployments: 201, asked by 127.0.0.1 (no user agent), took_ms=")
    it.register(force=True, dry_run=True)
    assert len(lines(caplog)) == 1
    it.register(force=True)
    assert "overwritten" in lines(caplog)[0]


def test_operations_are_told(it: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    it.bench.invoke(uid(1))
    name = invocation_id_to_str(uid(1))
    it.ask("PATCH", f"/v4/invocations/{name}/cancel", headers={"user-agent": "ops\xa0tool"})
    (line,) = lines(caplog)
    assert line.startswith(f"PATCH /v4/invocations/{name}/cancel: 202, asked by 127.0.0.1 (ops?")
    ids = [name, invocation_id_to_str(uid(2))]
    it.ask("POST", "/internal/invocations_batch_operations/kill", {"invocation_ids": ids})
    assert lines(caplog)[0] == "kill of 2 invocations: 1 done, 1 refused"
    it.ask("PATCH", "/invocations/a%0Ab/cancel?x=%0A")
    assert "\n" not in lines(caplog)[0]


def test_reads_are_for_debug(it: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    it.query.rows = lambda sql: []
    it.ask("GET", "/deployments")
    it.ask("POST", "/query", {"query": "SELECT 1"}, {"accept": "application/json"})
    assert lines(caplog) == []
    caplog.set_level(logging.DEBUG)
    it.ask("GET", "/deployments")
    assert lines(caplog)[0].startswith("GET /deployments: 200")
