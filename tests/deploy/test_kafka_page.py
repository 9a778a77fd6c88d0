"""What docs/kafka.md shows is typed and run as it stands, against the topology it speaks of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.topology import Topology
from tests.parts.cache import REPOSITORY
from tests.parts.client import eventually, http_request
from tests.parts.commands import Commands, compiled_java
from tests.parts.compose import KAFKA
from tests.parts.kafka_guarded import USER, GuardedBroker
from tests.parts.needed import needed
from tests.parts.page import Block, Command, blocks_of, commands_of, same_form
from tests.parts.processes import Process, free_port, port_open

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("topology")]

PAGE = REPOSITORY / "docs" / "kafka.md"
BLOCKS = blocks_of(PAGE)
LETTER = re.compile(r"\b\d+-[0-9a-f]{16,}\b")
# What is asked once more until it is there: these change nothing.
READS = re.compile(
    r"kcat -C|kafka-consumer-groups|curl \S+/read$|perdure (sql|\S+ (list|describe|show))"
)


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    made = Topology(KAFKA, tmp_path_factory.mktemp("page"))
    try:
        needed("the parts of the composition", made.start)
        made.run("register")
        made.run("subscribe")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    made = GuardedBroker(tmp_path_factory.mktemp("guarded"))
    needed("a Kafka broker", made.broker.start)
    yield made
    made.broker.stop()


@pytest.fixture(scope="module")
def commands(
    topology: Topology, guarded: GuardedBroker, tmp_path_factory: pytest.TempPathFactory
) -> Commands:
    assert topology.broker is not None
    directory = tmp_path_factory.mktemp("commands")
    (directory / "kafka-password").write_text(f"{USER[1]}\n")
    places = {
        "localhost:9092": topology.broker.bootstrap,
        "kafka.billing:9092": topology.broker.bootstrap,
        "kafka.secured:9093": guarded.broker.bootstrap,
        "/run/secrets/ca.pem": str(guarded.ca_file),
        "/run/secrets": str(directory),
        "http://127.0.0.1:8080": topology.ingress,
    }
    return needed("Kafka's own commands", lambda: Commands(directory, topology.admin, places))


def blocks(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_every_block_is_run_here() -> None:
    assert {block.language for block in BLOCKS} == {"text", "sh", "python", "java"}
    assert (len(blocks("text")), len(blocks("python")), len(blocks("java"))) == (1, 2, 1)


@pytest.fixture(scope="module")
def typed(commands: Commands) -> list[str]:
    """What the commands of the page print, each after the one before."""
    letter, printed = "", []
    for command in [one for block in blocks("sh") for one in commands_of(block)]:
        printed.append(carried_out(command, letter, commands))
        found = LETTER.search(printed[-1])
        letter = found[0] if found else letter
    return printed


def test_the_commands_in_their_order(typed: list[str]) -> None:
    assert len(typed) > 30


def carried_out(command: Command, letter: str, commands: Commands) -> str:
    """Runs one command; what the page says that it prints is there."""
    line = re.sub(r"\bID\b", letter, command.words)

    def run() -> str:
        printed = commands.run(line)
        for wanted in command.prints:
            assert same_form(wanted) in same_form(printed), f"line {command.line}: {printed}"
        return printed

    return str(eventually(run, 60.0)) if READS.search(line) else run()


@pytest.mark.usefixtures("typed")
def test_the_handler_that_sends(topology: Topology, commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(blocks("python")[0].text)
    port = free_port()
    words = [sys.executable, "-m", "hypercorn", "shop:app", "--bind", f"127.0.0.1:{port}"]
    service = Process("shop", words, cwd=tmp_path, log_dir=tmp_path)
    service.start()
    try:
        service.wait_ready(lambda: port_open(port), 30.0)
        commands.run(f"perdure deployments register http://127.0.0.1:{port}")
        order = json.dumps({"customer": "eve", "amount": 21}).encode()
        headers = {"content-type": "application/json"}
        reply = http_request(topology.ingress, "POST", "/Shop/order", order, headers).expect(200)
        assert reply.json()["topic"] == "visits"

        def is_counted() -> None:
            assert commands.run("curl http://127.0.0.1:8080/Counter/eve/read") == "42"

        eventually(is_counted, 30.0)
    finally:
        service.kill()


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("language", ["python", "java"])
def test_a_reader_of_what_is_committed(language: str, commands: Commands, tmp_path: Path) -> None:
    source = commands.here(blocks(language)[-1].text)
    if language == "python":
        words, line = [sys.executable, "-c", source], "b'last' b'{}'\n"
    else:
        words, line = compiled_java(source, "Reports", tmp_path), "last {}\n"
    commands.run("echo '{}' | kcat -P -b localhost:9092 -t visits -k last")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as reader:
        try:
            assert reader.stdout is not None
            assert line in reader.stdout
        finally:
            reader.kill()
