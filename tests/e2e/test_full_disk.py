"""A disk that fills up: new work is refused, old work is kept, and nobody has to restart."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

DISK = "256m"
PARTITIONS = 12  # RocksDB takes a second to close each of them while it cannot write


def small_disks_can_be_had(directory: Path) -> bool:
    """Whether this machine lets us mount a small disk in a namespace of its own."""
    mount = f"mount -t tmpfs -o size=1m tmpfs {directory}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PerdureServer]:
    """A server whose data directory is a disk of its own, in its own mount namespace."""
    server = PerdureServer(tmp_path, ServerOptions(partitions=PARTITIONS))
    server.data_dir.mkdir()
    try:
        possible = small_disks_can_be_had(server.data_dir)
    except FileNotFoundError:
        possible = False
    if not possible:
        assert not os.environ.get("CI"), "a small disk must be had where all suites run"
        pytest.skip("no small disk can be mounted here")
    mount = f"mount -t tmpfs -o size={DISK} tmpfs {server.data_dir}"
    server.process.command = [
        *["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"],
        *server.process.command,
    ]
    yield server.start()
    server.stop()


def fill(server: PerdureServer) -> Path:
    """Write until nothing is free; the file that did it."""
    filler = Path(f"/proc/{server.pid}/root{server.data_dir}/filler")
    with filler.open("wb", buffering=0) as file:
        block = bytes(1024 * 1024)
        while block:
            try:
                file.write(block)
            except OSError:
                block = block[: len(block) // 2]
    return filler


def refused(client: Client, key: str) -> None:
    reply = client.post(("Counter", key, "add"), 1, send=True, key=fresh(), timeout_s=6.0)
    assert reply.status == 503, reply.text
    assert int(reply.headers["retry-after"]) >= 1


def test_a_full_disk(server: PerdureServer, typescript: TypeScriptServices) -> None:
    client = client_of(server)
    client.register(typescript.uri)
    key = fresh()
    for _ in range(20):
        client.call(("Counter", key, "add"), 1)
    wait = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 4_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    sleeping = client.send(target, {"commands": [wait]}, key=fresh())

    filler = fill(server)
    eventually(partial(refused, client, key), 10.0)
    assert server.process.alive
    filler.unlink()

    def taken_again() -> None:
        assert client.call(("Counter", key, "add"), 1, key=fresh())["newValue"] >= 21

    eventually(taken_again, 30.0)
    assert eventually(partial(client.attach, sleeping), 30.0).expect(200).json() == "sleep"


def test_the_end_on_a_full_disk(server: PerdureServer, typescript: TypeScriptServices) -> None:
    client = client_of(server)
    client.register(typescript.uri)
    for number in range(5 * PARTITIONS):
        client.call(("Counter", f"{fresh()}-{number}", "add"), 1)
    fill(server)
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 10.0
