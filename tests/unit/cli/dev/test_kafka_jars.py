"""Kafka's jars are fetched once, whole, and only if they are the pinned ones."""

import hashlib
from pathlib import Path

import pytest

from orchestrator.cli.dev import kafka_jars
from orchestrator.cli.dev.broker import BrokerUnavailable, DevBroker


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    jars = {"one": b"first", "two": b"second"}
    lines = ["# a comment"]
    for name, content in jars.items():
        place = tmp_path / "repository/org/example" / name / "1.0"
        place.mkdir(parents=True)
        (place / f"{name}-1.0.jar").write_bytes(content)
        lines.append(f"org.example:{name}:1.0 {hashlib.sha256(content).hexdigest()}")
    pins = tmp_path / "pins.txt"
    pins.write_text("\n".join(lines))
    monkeypatch.setattr(kafka_jars, "PINS", pins)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return (tmp_path / "repository").as_uri()


def test_they_are_fetched_once(repository: str) -> None:
    said: list[str] = []
    found = kafka_jars.cached_jars(said.append, repository)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == {
        "one-1.0.jar": b"first",
        "two-1.0.jar": b"second",
    }
    assert len(said) == 1
    assert kafka_jars.cached_jars(said.append, "file:///nowhere") == found
    assert len(said) == 1


@pytest.mark.parametrize("trouble", ["other", "gone"])
def test_what_is_not_the_pinned_one_is_refused(
    repository: str, tmp_path: Path, trouble: str
) -> None:
    jar = tmp_path / "repository/org/example/two/1.0/two-1.0.jar"
    content = jar.read_bytes()
    jar.unlink() if trouble == "gone" else jar.write_bytes(b"third")
    with pytest.raises(kafka_jars.JarsUnavailable):
        kafka_jars.cached_jars(str, repository)
    jar.write_bytes(content)
    assert len(list(kafka_jars.cached_jars(str, repository).iterdir())) == 2


async def _start(broker: DevBroker) -> None:
    await broker.start(str)


def test_no_java_and_a_port_that_is_taken(
    repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import socket

    from orchestrator.cli.dev import broker

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=rf"{port}.*--kafka-port"):
            asyncio.run(_start(DevBroker(tmp_path / "b", port)))
    monkeypatch.setattr(broker, "_version_of", lambda java: 11)
    with pytest.raises(BrokerUnavailable, match=r"needs Java 17.*\[broker\]"):
        asyncio.run(_start(DevBroker(tmp_path / "b", port)))
