"""What docs/deploy.md tells people to type: the files are there, the values are taken.

`make compose-test` runs the commands of Docker, tests/deploy/test_topology.py does as processes.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import Any

import pytest

from orchestrator.config.options import read_options
from tests.deploy.test_chart import VERSIONS
from tests.parts.cache import REPOSITORY
from tests.parts.compose import EMBEDDED, KAFKA, composition
from tests.parts.dockerfile import stages
from tests.parts.helm import Helm
from tests.parts.needed import needed

PAGE = (REPOSITORY / "docs" / "deploy.md").read_text()


def commands(program: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines() if line]
    return [words for words in lines if words[0] == program]


def after(flag: str, words: list[str]) -> list[str]:
    return [value for name, value in pairwise(words) if name == flag]


def test_no_command_is_without_a_test() -> None:
    known = sum(len(commands(program)) for program in ("docker", "helm", "kubectl"))
    assert known == sum(
        len(b.splitlines()) for b in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    )
    assert known == 6


def test_the_build_is_that_of_the_composition() -> None:
    build, up, embedded = commands("docker")
    (dockerfile,) = after("-f", build)
    service = composition(KAFKA)["services"]["perdure"]
    assert service["build"] == {"context": build[-1], "dockerfile": dockerfile}
    assert after("-t", build) == [service["image"]]
    assert up == ["docker", "compose", "up", "-d"]
    assert [REPOSITORY / name for name in after("-f", embedded)] == [EMBEDDED]


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("helm")
def test_the_commands_of_helm_give_a_release() -> None:
    for words in commands("helm"):
        name, chart = words[2:4]
        helm = needed("Helm", lambda chart=chart: Helm(REPOSITORY / chart, VERSIONS))  # type: ignore[misc]
        values: dict[str, Any] = {"settings": {"kafka_bootstrap": "kafka:9092"}}
        for given in after("--set", words):
            path, _, value = given.partition("=")
            *above, last = path.split(".")
            place = values
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value
        with helm:
            kinds = {resource["kind"] for resource in helm.resources(values, name)}
        assert {"StatefulSet", "Service", "ConfigMap", "PodDisruptionBudget"} <= kinds


def test_the_secret_has_variables_that_the_server_takes() -> None:
    (words,) = commands("kubectl")
    (literal,) = [w.removeprefix("--from-literal=") for w in words if "=" in w]
    name, _, value = literal.partition("=")
    env = {"PERDURE_LOG": "kafka", "PERDURE_KAFKA_BOOTSTRAP": "kafka:9092", name: value}
    options = read_options([], env)
    assert options.kafka.librdkafka["sasl.mechanism"] == "SCRAM-SHA-512"


def test_what_the_page_says_of_the_image() -> None:
    last = stages(REPOSITORY / "deploy" / "Dockerfile")[-1]
    assert last.one("USER").split(":")[0] in PAGE
    assert f"`{last.one('VOLUME')}`, writable" in PAGE
    assert all(port in PAGE for port in last.one("EXPOSE").split())
