"""A right that is revoked while a server runs: named once in the log, 503 for callers, and over
as soon as the right is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.kafka_rights import allow_again, allow_only, deny
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

WAIT_S = 60.0
EVERY = {
    "TOPIC": {"DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE"},
    "GROUP": {"DESCRIBE", "READ"},
}


def refused(client: Client, key: str) -> None:
    reply = client.post(("Counter", key, "add"), 1, timeout_s=WAIT_S)
    assert reply.status == 503, (reply.status, reply.text)
    assert int(reply.headers["retry-after"]) >= 1


def _at_work(
    tmp_path: Path, broker: KafkaBroker, typescript: TypeScriptServices, cluster: str
) -> tuple[PerdureServer, Client, str]:
    """A server on the log of a cluster, a client, and the key of a counter that stands at 1."""
    options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=cluster)
    server = PerdureServer(tmp_path, options).start()
    try:
        client = client_of(server)
        client.register(typescript.uri)
        key = fresh()
        assert client.call(("Counter", key, "add"), 1)["newValue"] == 1
    except BaseException:
        server.stop()
        raise
    return server, client, key


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("kind", "right", "named"),
    [("TOPIC", "WRITE", "write to topic {}.log"), ("GROUP", "READ", "join group {}.log")],
)
def test_a_right_that_is_revoked_while_the_server_runs(
    tmp_path: Path,
    broker: KafkaBroker,
    typescript: TypeScriptServices,
    kind: str,
    right: str,
    named: str,
) -> None:
    cluster = fresh("rights")
    server, client, key = _at_work(tmp_path, broker, typescript, cluster)
    try:
        allow_only(broker.bootstrap, kind, f"{cluster}.log", EVERY[kind] - {right})
        # A moment after the rule was made; it leads until the session of the group is over.
        eventually(lambda: refused(client, key), WAIT_S)
        for _ in range(5):
            refused(client, key)  # none of them has another answer
        allow_again(broker.bootstrap, f"{cluster}.log")
        added = eventually(lambda: client.call(("Counter", key, "add"), 1), WAIT_S)["newValue"]
        assert added >= 2
        said = server.log_tail(100_000)
        assert "Traceback" not in said
        lines = [
            line for line in said.splitlines() if "PD0113" in line and named.format(cluster) in line
        ]
        assert 1 <= len(lines) <= 2, said
    except BaseException:
        print(server.log_tail(9000))
        raise
    finally:
        server.stop()


def _lines(server: PerdureServer, words: str) -> list[str]:
    lines = server.log_tail(100_000).splitlines()
    return [line for line in lines if "PD0113" in line and words in line]


@pytest.mark.timeout(240)
def test_the_right_to_look_at_the_log_is_named_though_appends_go_on(
    tmp_path: Path, broker: KafkaBroker, typescript: TypeScriptServices
) -> None:
    cluster = fresh("rights")
    server, client, key = _at_work(tmp_path, broker, typescript, cluster)
    try:
        deny(broker.bootstrap, "TOPIC", f"{cluster}.log", "DESCRIBE")

        def is_named() -> None:
            assert _lines(server, f"describe topic {cluster}.log")

        eventually(is_named, WAIT_S)
        allow_again(broker.bootstrap, f"{cluster}.log")
        added = eventually(lambda: client.call(("Counter", key, "add"), 1), WAIT_S)["newValue"]
        assert added >= 2
        assert len(_lines(server, f"describe topic {cluster}.log")) == 1, server.log_tail(9000)
        assert "Traceback" not in server.log_tail(100_000)
    finally:
        server.stop()
