"""While the broker is away the command line says that it cannot know, not that there are none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import client_of
from tests.parts import command_line
from tests.parts.client import eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices


def perdure(server: PerdureServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command_line.perdure(*arguments, "--admin", server.admin)


@pytest.mark.timeout(240)
def test_a_broker_that_is_away(
    tmp_path: Path, broker: KafkaBroker, typescript: TypeScriptServices
) -> None:
    options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=fresh("away"))
    server = PerdureServer(tmp_path, options).start()
    try:
        client = client_of(server)
        client.register(typescript.uri)
        client.call(("Counter", "k", "add"), 1)
        listed = perdure(server, "invocations", "list", "--all")
        assert listed.returncode == 0 and "Counter/k/add" in listed.stdout, listed
        broker.kill()

        def nothing_can_be_read() -> None:
            for asked in (["invocations", "list"], ["state", "get", "Counter", "k"]):
                done = perdure(server, *asked)
                assert done.returncode == 1 and not done.stdout, done
                assert "can be read now" in done.stderr

        eventually(nothing_can_be_read, 60)

        def status_says_why() -> None:
            done = perdure(server, "status")
            assert done.returncode == 1 and "not led by this node" in done.stdout, done
            assert f"Kafka at {broker.bootstrap}: " in done.stdout and "down" in done.stdout
            assert done.stdout.count("not known while no partition is led here") == 2

        eventually(status_says_why, 60)
        assert perdure(server, "deployments", "list").returncode == 0, "they were read before"
        server.kill()
        server.process.start()

        def nothing_is_known() -> None:
            for asked in (["deployments", "list"], ["services", "list"], ["invocations", "list"]):
                done = perdure(server, *asked)
                assert done.returncode == 1 and not done.stdout, done
                assert "503" not in done.stderr and "read" in done.stderr

        eventually(nothing_is_known, 60)
        broker.restart()
        eventually(lambda: _listed_again(server), 90)
    finally:
        if not broker.process.alive:
            broker.start()
        server.kill()


def _listed_again(server: PerdureServer) -> None:
    listed = perdure(server, "invocations", "list", "--all")
    assert listed.returncode == 0 and "Counter/k/add" in listed.stdout, listed
    assert "Counter" in perdure(server, "services", "list").stdout
