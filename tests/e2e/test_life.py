"""Start and stop of the server: signals, second servers, and what it refuses to start on."""

from __future__ import annotations

import contextlib
import http.client
import json
import shlex
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from tests.e2e.conftest import client_of
from tests.parts.client import at_once, eventually, fresh, in_background
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.processes import http_status
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices


@pytest.fixture
def server(tmp_path: Path, log_options: ServerOptions) -> Iterator[PerdureServer]:
    server = PerdureServer(tmp_path, log_options).start()
    yield server
    server.stop()


def refused(server: PerdureServer, *words: str) -> None:
    """The server ends by itself, with a failure whose text has each of the words."""
    server.process.log = server.process.log.with_name(f"{fresh('refused')}.log")
    server.process.start()
    try:
        assert server.process.wait_exit(30.0) != 0
    finally:
        server.process.kill()
    text = server.log_tail().lower()
    for word in words:
        assert word.lower() in text, text
    assert "traceback" not in text, text


def test_sigterm_ends_within_ten_seconds_and_loses_nothing(
    server: PerdureServer, typescript: TypeScriptServices, laboratory: Laboratory
) -> None:
    client = client_of(server)
    client.register(typescript.uri)
    client.register(laboratory.uri)
    wait = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 2_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    sleeping = client.send(target, {"commands": [wait]}, key=fresh())
    name = fresh("steps")
    order = {"name": name, "count": 30, "pauseMs": 50}
    stepping = client.send(("Steps", "manySteps"), order, key=fresh())
    time.sleep(0.3)

    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 10.0
    kept = [path for path in server.data_dir.rglob("*") if path.stat().st_mode & 0o077]
    assert kept == [], "nobody else reads what callers sent"

    server.restart()
    assert eventually(partial(client.attach, sleeping), 30.0).expect(200).json() == "sleep"
    assert len(client.attach(stepping).expect(200).json()) == 30
    assert len(laboratory.marks(name)) <= 33


def test_callers_that_can_safely_ask_again_are_told_to_at_sigterm(
    server: PerdureServer, typescript: TypeScriptServices
) -> None:
    """A client that takes a 503 for what it says has its result after the restart."""
    client = client_of(server)
    client.register(typescript.uri)
    wait = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 3_000}}
    target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    plain = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
    order, key = {"commands": [wait]}, fresh()
    named = in_background(lambda: client.post(target, order, key=key, timeout_s=20))
    unnamed = in_background(lambda: client.post(plain, order, timeout_s=20))
    time.sleep(0.5)
    assert server.stop() == 0
    told = named.result(10).expect(503)
    assert told.headers["x-restate-error-source"] == "ingress"
    assert "retry-after" in told.headers
    assert unnamed.result(10).expect(500).headers["x-restate-error-source"] == "invocation"
    server.restart()
    again = client.post(target, order, key=key, timeout_s=20).expect(200)
    assert again.json() == "sleep"
    assert again.headers["x-restate-id"] == told.headers["x-restate-id"]


def test_new_work_is_refused_while_it_stops(
    server: PerdureServer, typescript: TypeScriptServices
) -> None:
    """Whoever was accepted is done after the restart, whoever was not knows it."""
    client = client_of(server)
    client.register(typescript.uri)
    key = fresh()
    accepted: list[str] = []

    def one(number: int) -> None:
        time.sleep(number * 0.002)
        try:
            reply = client.post(("Counter", key, "add"), 1, send=True, key=fresh(), timeout_s=12)
        except OSError:
            return
        if reply.status == 202:
            accepted.append(reply.json()["invocationId"])
        else:
            assert reply.status in (500, 503), reply.text

    def stop() -> None:
        time.sleep(0.1)
        assert server.stop() == 0

    at_once([stop, *(partial(one, number) for number in range(150))], threads=32)
    server.restart()

    def all_done() -> None:
        assert client.call(("Counter", key, "get"), timeout_s=10) >= len(accepted)
        for invocation in accepted:
            client.attach(invocation, timeout_s=10).expect(200)

    assert accepted
    eventually(all_done, 30.0)


def _answer_at_hand(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    try:
        return connection.recv(1_000)
    except OSError:
        return b""


def test_a_flood_of_connections_leaves_files_for_the_log_and_the_stores(
    tmp_path: Path, typescript: TypeScriptServices
) -> None:
    server = PerdureServer(tmp_path)
    limited = " ".join(["ulimit -n 600; exec", *map(shlex.quote, server.process.command)])
    server.process.command[:] = ["sh", "-c", limited]
    server.start()
    flood: list[socket.socket] = []
    try:
        client_of(server).register(typescript.uri)
        host, port = server.ingress.removeprefix("http://").split(":")
        kept = http.client.HTTPConnection(host, int(port), timeout=20)
        kept.connect()
        for _ in range(800):
            with contextlib.suppress(OSError):
                flood.append(socket.create_connection((host, int(port)), 5.0))
        for number in range(30):
            kept.request("POST", "/Counter/flooded/add", b"1", {"content-type": "application/json"})
            reply = kept.getresponse()
            assert (reply.status, json.loads(reply.read())["newValue"]) == (200, number + 1)
        kept.close()
        assert any(_answer_at_hand(connection).startswith(b"HTTP/1.1 503") for connection in flood)
        assert "many open files" not in server.log_tail(100_000).lower()
    finally:
        for connection in flood:
            connection.close()
        server.stop()


def test_a_second_server_on_the_same_data_is_refused(server: PerdureServer) -> None:
    second = PerdureServer(server.directory, replace(server.options, cluster=fresh("second")))
    refused(second, str(server.data_dir))
    assert http_status(int(server.admin.rsplit(":", 1)[1]), "/health") == 200


def test_an_address_in_use_is_refused(server: PerdureServer, tmp_path: Path) -> None:
    second = PerdureServer(tmp_path / "second", ServerOptions())
    place = second.process.command.index("--ingress") + 1
    second.process.command[place] = server.ingress.removeprefix("http://")
    refused(second, server.ingress.removeprefix("http://"))


def test_another_number_of_partitions_is_refused(server: PerdureServer) -> None:
    server.stop()
    other = PerdureServer(server.directory, replace(server.options, partitions=8))
    refused(other, "partitions", "4", "8")
    server.restart()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--log", "paper"),
        ("--partitions", "0"),
        ("--partitions", "many"),
        ("--ingress", "nonsense"),
        ("--no-such-flag", "1"),
        ("--inactivity-timeout", "soon"),
        ("--protocol-max", "4"),
        ("--kafka-option", "nonsense"),
    ],
)
def test_bad_options_are_refused_with_their_name(tmp_path: Path, flag: str, value: str) -> None:
    server = PerdureServer(tmp_path, ServerOptions())
    server.process.command += [flag, value]
    refused(server, flag.removeprefix("--").split("-")[0])


# On a broker


def kafka_options(broker: KafkaBroker) -> ServerOptions:
    return ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=fresh("life"))


def test_a_second_node_on_the_same_cluster_is_refused(tmp_path: Path, broker: KafkaBroker) -> None:
    options = kafka_options(broker)
    first = PerdureServer(tmp_path / "first", options).start()
    try:
        second = PerdureServer(tmp_path / "second", options, node_name="n2")
        refused(second, "n1")
        assert http_status(int(first.admin.rsplit(":", 1)[1]), "/health") == 200
    finally:
        first.stop()


def topics_of(admin: AdminClient, cluster: str) -> list[str]:
    names = admin.list_topics(timeout=10).topics
    return [name for name in names if name.startswith(f"{cluster}.")]


def test_topics_that_forget_are_refused(tmp_path: Path, broker: KafkaBroker) -> None:
    options = kafka_options(broker)
    server = PerdureServer(tmp_path, options).start()
    server.stop()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    entry = ConfigEntry("retention.ms", "60000", incremental_operation=AlterConfigOpType.SET)
    log = f"{options.cluster}.log"
    assert log in topics_of(admin, options.cluster)
    resource = ConfigResource(ResourceType.TOPIC, log, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    refused(PerdureServer(tmp_path, options), log, "retention")


def test_topics_with_more_partitions_are_refused(tmp_path: Path, broker: KafkaBroker) -> None:
    options = kafka_options(broker)
    server = PerdureServer(tmp_path, options).start()
    server.stop()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    log = f"{options.cluster}.log"
    for future in admin.create_partitions([NewPartitions(log, 6)]).values():
        future.result(10)
    refused(PerdureServer(tmp_path, options), log, "partitions")


def test_options_that_the_engine_owns_are_refused(tmp_path: Path, broker: KafkaBroker) -> None:
    server = PerdureServer(tmp_path, kafka_options(broker))
    server.process.command += ["--kafka-option", "enable.auto.commit=true"]
    refused(server, "enable.auto.commit")


def test_a_broker_that_comes_late_is_awaited(
    tmp_path: Path, typescript: TypeScriptServices
) -> None:
    broker = KafkaBroker(tmp_path / "kafka")
    server = PerdureServer(tmp_path, kafka_options(broker))
    ingress = int(server.ingress.rsplit(":", 1)[1])
    process = server.process
    process.start()
    try:
        process.wait_ready(lambda: http_status(ingress, "/restate/health") == 503, 20.0)
        time.sleep(1.0)
        assert process.alive
        broker.start()
        process.wait_ready(lambda: http_status(ingress, "/restate/health") == 200, 60.0)
        client = client_of(server)
        client.register(typescript.uri)
        assert client.call(("TestUtilsService", "echo"), "late") == "late"
    finally:
        server.stop()
        broker.stop()


def test_a_broker_out_of_reach_closes_the_door(
    tmp_path: Path, broker: KafkaBroker, typescript: TypeScriptServices
) -> None:
    """New work is refused within 5 s and taken again without a restart; old work goes on."""
    server = PerdureServer(tmp_path, kafka_options(broker)).start()
    client = client_of(server)
    try:
        client.register(typescript.uri)
        wait = {"type": "awaitOne", "command": {"type": "sleep", "timeoutMillis": 2_000}}
        target = ("VirtualObjectCommandInterpreter", fresh(), "interpretCommands")
        sleeping = client.send(target, {"commands": [wait]}, key=fresh())
        key = fresh()
        client.call(("Counter", key, "add"), 1)
        broker.process.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        # What was handed over before the door closed waits for its fate.
        first = partial(client.post, ("Counter", key, "add"), 1, key=fresh(), timeout_s=60.0)

        def closed() -> None:
            add = ("Counter", key, "add")
            reply = client.post(add, 1, send=True, key=fresh(), timeout_s=4.0)
            assert reply.status == 503, reply.text
            assert int(reply.headers["retry-after"]) >= 1

        refused_too = threading.Event()

        def second() -> None:
            time.sleep(0.5)  # the door is open still, but the first is in flight
            try:
                closed()
            finally:
                refused_too.set()

        def watch() -> None:
            try:
                eventually(closed, 15.0)
                assert time.monotonic() - stopped < 7.0
                refused_too.wait(5.0)
            finally:
                broker.process.signal(signal.SIGCONT)

        reply, *_ = at_once([first, second, watch])
        assert reply.status in (200, 500, 503), reply.text

        def open_again() -> None:
            client.call(("Counter", key, "add"), 1, key=fresh(), timeout_s=10.0)

        eventually(open_again, 60.0)
        assert eventually(lambda: client.attach(sleeping).expect(200), 60.0).json() == "sleep"
        assert server.process.alive
    finally:
        broker.process.signal(signal.SIGCONT)
        server.stop()
