"""The compositions: well-formed, and with the properties that docs/deploy.md promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.options import read_options
from tests.parts.cache import REPOSITORY
from tests.parts.compose import EMBEDDED, KAFKA, ComposeSpec, composition
from tests.parts.needed import needed

BOTH = pytest.mark.parametrize("path", [KAFKA, EMBEDDED], ids=lambda path: path.name)
OURS = ("perdure", "perdure-example")


def services(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = composition(path)["services"]
    return found


def lasting(path: Path) -> dict[str, Any]:
    """Services that do not end by themselves."""
    return {n: one for n, one in services(path).items() if one["restart"] == "unless-stopped"}


@pytest.fixture(scope="module")
def spec() -> Iterator[ComposeSpec]:
    with needed("the Compose specification", ComposeSpec) as made:
        yield made


@BOTH
def test_it_is_a_composition(spec: ComposeSpec, path: Path) -> None:
    assert spec.wrong(path.read_text()) == ""


@pytest.mark.parametrize(
    ("good", "bad"),
    [("hostname:", "hostnam:"), ("service_healthy", "healthy"), ("interval: 2s", "interval: soon")],
)
def test_the_specification_finds_mistakes(spec: ComposeSpec, good: str, bad: str) -> None:
    text = KAFKA.read_text()
    assert good in text and spec.wrong(text.replace(good, bad))


@BOTH
def test_images_are_ours_or_official(path: Path) -> None:
    for one in services(path).values():
        repository = one["image"].split(":")[0]
        assert repository in (*OURS, "apache/kafka")
        assert repository in OURS or ":" in one["image"], "of a version"


@BOTH
def test_what_is_built_is_there(path: Path) -> None:
    for one in services(path).values():
        if "build" in one:
            context = path.parent / one["build"]["context"]
            assert (context / one["build"].get("dockerfile", "Dockerfile")).is_file()


@BOTH
def test_each_is_watched_or_ends_and_each_comes_back(path: Path) -> None:
    for name, one in services(path).items():
        if name in lasting(path):
            assert one["healthcheck"]["test"][0] == "CMD"
        else:
            assert one["restart"] == "on-failure" and "healthcheck" not in one
        for other, needs in one.get("depends_on", {}).items():
            wanted = "healthy" if other in lasting(path) else "completed_successfully"
            assert needs["condition"] == f"service_{wanted}", (name, other)


@BOTH
def test_data_outlive_the_containers(path: Path) -> None:
    mounts = {n: one["volumes"] for n, one in lasting(path).items() if "volumes" in one}
    named = {mount.split(":")[0] for all_of in mounts.values() for mount in all_of}
    assert named == set(composition(path)["volumes"])
    assert mounts["perdure"] == ["perdure:/var/lib/perdure"]


@BOTH
def test_nothing_is_open_to_the_network(path: Path) -> None:
    for one in services(path).values():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))


@BOTH
def test_the_server_takes_its_variables(path: Path) -> None:
    options = read_options([], services(path)["perdure"]["environment"])
    assert options.log.kind == ("kafka" if path == KAFKA else "embedded")
    assert "perdure" in options.admin.hosts


def test_kafka_keeps_its_records_in_its_volume() -> None:
    kafka = services(KAFKA)["kafka"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
    listeners = kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    inside = services(KAFKA)["perdure"]["environment"]["PERDURE_KAFKA_BOOTSTRAP"]
    assert f"INSIDE://{inside}" in listeners and "OUTSIDE://localhost:9092" in listeners


def test_the_files_speak_of_each_other_by_their_names() -> None:
    assert KAFKA.parent == REPOSITORY
    assert "deploy/compose.embedded.yml" in EMBEDDED.read_text()
