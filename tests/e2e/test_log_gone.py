"""A server whose log is deleted serves no emptied state, and begins anew only when told to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

KEY = "basket"


def delete_log(broker: KafkaBroker, cluster: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    name = f"{cluster}.log"
    admin.delete_topics([name])[name].result()


def topics_of(broker: KafkaBroker, cluster: str) -> set[str]:
    """Of the log; its ingress topic is the users'."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    found = admin.list_topics(timeout=5).topics
    return {name for name in found if name.startswith(cluster)} - {f"{cluster}.ingress"}


def stopped(client: Client) -> None:
    reply = client.post(("Counter", KEY, "get"), None, timeout_s=6.0)
    assert reply.status == 503 and "PD0109" in reply.text, reply.text


@pytest.mark.timeout(180)
def test_a_log_topic_that_is_deleted(
    tmp_path: Path, broker: KafkaBroker, typescript: TypeScriptServices
) -> None:
    options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=fresh("gone"))
    server = PerdureServer(tmp_path, options).start()
    try:
        client = client_of(server)
        client.register(typescript.uri)
        for _ in range(3):
            client.call(("Counter", KEY, "add"), 1)
        delete_log(broker, options.cluster)
        eventually(lambda: stopped(client), 30)
        for _ in range(3):
            stopped(client)
        assert server.process.alive and topics_of(broker, options.cluster) == {
            f"{options.cluster}.meta"
        }
        server.stop()
        server.process.start()
        assert server.process.wait_exit(30) == 1
        said = server.log_tail()
        assert "PD0109" in said and "Traceback" not in said
        assert topics_of(broker, options.cluster) == {f"{options.cluster}.meta"}
        name = re.findall(r"--new-log ([0-9a-f]+)", said)[-1]
        anew = PerdureServer(tmp_path, replace(options, env={"PERDURE_NEW_LOG": name}))
        anew.start()
        try:
            client = client_of(anew)
            assert client.call(("Counter", KEY, "add"), 1)["newValue"] == 1
        finally:
            anew.stop()
    finally:
        if server.process.alive:
            server.kill()
