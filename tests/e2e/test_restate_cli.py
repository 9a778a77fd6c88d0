"""The unmodified command line of Restate, against the admin port."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from tests.e2e.conftest import SERVER_CLASS, AnyServer
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.needed import needed
from tests.parts.restate_server import restate_cli_binary
from tests.parts.server import PerdureServer
from tests.parts.typescript_services import TypeScriptServices

Run = Callable[..., str]


@pytest.fixture
def run(shared_server: AnyServer, tmp_path: Path) -> Run:
    """Run the command line with arguments; its output, after a success."""
    binary = needed("the restate command line", restate_cli_binary)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/red/green/' \"$1\"\n")
    editor.chmod(0o755)
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "RESTATE_CLI_CONFIG_HOME": str(tmp_path),
        "RESTATE_ADMIN_URL": shared_server.admin,
        "RESTATE_INGRESS_URL": shared_server.ingress,
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "EDITOR": str(editor),
        "VISUAL": str(editor),
    }

    def run(*arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            # Not last: some verbs take whatever follows for pairs of their own.
            [str(binary), *arguments[:2], "--yes", *arguments[2:]],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    return run


def waiting_invocation(client: Client) -> tuple[str, str]:
    key = fresh()
    wait = {"type": "awaitOne", "command": {"type": "createAwakeable", "awakeableKey": "a"}}
    target = ("VirtualObjectCommandInterpreter", key, "interpretCommands")
    invocation = client.send(target, {"commands": [wait]}, key=fresh())
    client.wait_status(invocation, "running", "suspended")
    return key, invocation


def make_topic(broker: KafkaBroker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(topic, 2)])[topic].result()


def test_kafka_clusters_and_subscriptions(run: Run, client: Client, broker: KafkaBroker) -> None:
    name, topic = fresh(), fresh()
    make_topic(broker, topic)
    servers = f"bootstrap.servers={broker.bootstrap}"
    run("kafka-clusters", "create", name, servers, "sasl.username=s3cret")
    assert broker.bootstrap in run("kafka-clusters", "list")
    again = ("--set", "sasl.username=s3cret")  # it never sends what it was shown as ***
    run("kafka-clusters", "patch", name, "--set", "client.id=us", *again)
    described = run("kafka-clusters", "describe", name)
    assert "us" in described and "***" in described and "s3cret" not in described
    source, sink = f"kafka://{name}/{topic}", "service://Counter/add"
    run("subscriptions", "create", source, sink, "auto.offset.reset=earliest")
    assert topic in run("subscriptions", "list", "--source", source)
    made = client.admin_request("GET", f"/subscriptions?source={source}").json()["subscriptions"]
    identity = made[0]["id"]
    assert "auto.offset.reset" in run("subscriptions", "describe", identity)
    assert identity in run("kafka-clusters", "describe", name)
    run("kafka-clusters", "delete", name, status=1)
    run("subscriptions", "delete", identity)
    run("kafka-clusters", "delete", name)
    client.admin_request("GET", f"/kafka-clusters/{name}").expect(404)


def test_services(run: Run) -> None:
    listed = run("services", "list")
    assert "Counter" in listed and "BlockAndWaitWorkflow" in listed
    described = run("services", "describe", "Counter")
    assert "add" in described and "reset" in described
    run("services", "status")
    run("services", "status", "Counter")
    run("services", "config", "view", "Counter")
    assert "JSON string" in run("services", "describe", "Front")


def test_service_options_are_edited(run: Run, client: Client) -> None:
    run("services", "config", "patch", "Typed", "--idempotency-retention", "2h")
    service = client.admin_request("GET", "/services/Typed").expect(200).json()
    assert service["idempotency_retention"] in ("2h", "PT2H", "120m")


def test_deployments(run: Run, client: Client, typescript: TypeScriptServices) -> None:
    listed = run("deployments", "list")
    assert typescript.uri in listed
    deployment = client.register(typescript.uri)
    assert "Counter" in run("deployments", "describe", deployment)
    run("deployments", "register", typescript.uri, "--force")


def test_a_deployment_is_registered_and_removed(run: Run, client: Client, tmp_path: Path) -> None:
    second = Laboratory(tmp_path / "second", "v2", "Typed").start()
    try:
        run("deployments", "register", second.uri)
        deployments = client.admin_request("GET", "/deployments").json()["deployments"]
        (found,) = [one["id"] for one in deployments if one["uri"].rstrip("/") == second.uri]
        run("deployments", "remove", found, "--force")
        client.admin_request("GET", f"/deployments/{found}").expect(404)
    finally:
        second.stop()


def test_invocations(run: Run, client: Client) -> None:
    key, invocation = waiting_invocation(client)
    assert invocation in run("invocations", "list")
    assert invocation in run("invocations", "list", "--service", "VirtualObjectCommandInterpreter")
    described = run("invocations", "describe", invocation)
    assert key in described
    run("invocations", "cancel", invocation)
    assert client.attach(invocation).status == 409
    run("invocations", "purge", invocation)
    eventually(lambda: _gone(client, invocation))


def _gone(client: Client, invocation: str) -> None:
    assert client.invocation(invocation) is None


def test_a_journal_tells_what_each_entry_does(run: Run, client: Client) -> None:
    called = client.send(("Front", "greet"), "Ann")
    client.wait_status(called, "completed")
    assert "Command: Call Hidden/greet inv_1" in run("invocations", "describe", called)
    key = fresh()
    added = client.send(("Forgetful", key, "add"), 1)
    client.wait_status(added, "completed")
    assert "Command: SetState key total" in run("invocations", "describe", added)


def test_invocations_are_killed_paused_resumed_and_restarted(
    run: Run, client: Client, laboratory: Laboratory
) -> None:
    _, invocation = waiting_invocation(client)
    run("invocations", "kill", invocation)
    assert client.attach(invocation).status == 409

    gate = fresh("gate")
    paused = client.send(("Pausing", "passGate"), gate, key=fresh())
    client.wait_status(paused, "paused")
    laboratory.open_gate(gate)
    run("invocations", "resume", paused)
    assert client.attach(paused).expect(200).json() == "v1"

    gate = fresh("gate")
    failed = client.send(("Restartable", "stepThenGate"), gate, key=fresh())
    assert client.attach(failed).status == 418
    laboratory.open_gate(gate)
    run("invocations", "restart-as-new", failed)


def test_state(run: Run, client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "colour", "value": "red"})
    shown = run("state", "get", "MapObject", key)
    assert "colour" in shown and "red" in shown
    change = '[{"op": "add", "path": "/size", "value": {"cm": 3}}]'
    run("state", "patch", "MapObject", key, "--patch", change)

    def patched() -> None:
        assert json.loads(run("state", "get", "MapObject", key, "--plain"))["size"] == {"cm": 3}

    eventually(patched)
    run("state", "clear", f"MapObject/{key}")

    def cleared() -> None:
        assert client.call(("MapObject", key, "get"), "colour") == ""

    eventually(cleared)


def test_state_is_edited(run: Run, client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "colour", "value": "red"})
    assert "green" in run("state", "edit", "MapObject", key)

    def edited() -> None:
        assert client.call(("MapObject", key, "get"), "colour") == "green"

    eventually(edited)
    run("state", "edit", "Nobody", key, status=1)


def test_sql(run: Run, client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "colour", "value": "red"})
    query = f"SELECT service_name, key FROM state WHERE service_key = '{key}'"
    assert "MapObject" in run("sql", query)
    lines = [line for line in run("sql", "--jsonl", query).splitlines() if line.startswith("{")]
    assert [json.loads(line) for line in lines] == [{"service_name": "MapObject", "key": "colour"}]
    run("sql", "SELECT COUNT(1) FROM sys_invocation")
    run("sql", "SELECT * FROM sys_invocation")
    assert "now" in run(
        "sql", "--json", "SELECT now() AS now, now() - created_at FROM sys_invocation"
    )
    run("sql", "SELECT * FROM no_such_table", status=1)


def test_what_is_off_is_listed_as_empty(run: Run) -> None:
    run("vqueues", "list")
    run("rules", "list")


@pytest.mark.skipif(SERVER_CLASS is not PerdureServer, reason="it keeps rules")
def test_rules_are_refused_with_what_to_do_instead(run: Run) -> None:
    for pattern in ("*", "scope/*"):
        assert "429" in run("rules", "set", pattern, "--concurrency", "5", status=1)
        run("rules", "disable", pattern, status=1)


def test_whoami_knows_the_server(run: Run) -> None:
    assert "1.7." in run("whoami")
