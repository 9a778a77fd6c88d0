"""What a release is made of: bounds, hashes, and the bill of materials."""

import re
import runpy
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.parts.cache import REPOSITORY

PROJECTS = [
    tomllib.loads((REPOSITORY / name).read_text())["project"]
    for name in ("pyproject.toml", "sdk/pyproject.toml")
]
OURS = ("perdure", "perdure-server")


def needed() -> list[str]:
    return [
        line
        for project in PROJECTS
        for group in (project["dependencies"], *project["optional-dependencies"].values())
        for line in group
    ]


@pytest.mark.parametrize("line", sorted(set(needed())))
def test_what_others_wrote_has_bounds_below_and_above(line: str) -> None:
    wanted = Requirement(line)
    if wanted.name in OURS:
        return
    operators = {one.operator for one in wanted.specifier}
    assert operators in ({">=", "<"}, {"=="}), line


def locked() -> list[dict[str, Any]]:
    return runpy.run_path(str(REPOSITORY / "deploy" / "sbom.py"))["components"]()  # type: ignore[no-any-return]


def test_a_release_is_locked_by_hashes_and_within_the_bounds() -> None:
    found = {one["name"]: one for one in locked()}
    assert all(one["hashes"] for one in found.values())
    run = subprocess.run(
        [sys.executable, "deploy/image/requirements.py"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in run.stdout.splitlines():
        wanted = Requirement(line)
        name = re.sub(r"[._]", "-", wanted.name)
        assert wanted.specifier.contains(found[name]["version"]), f"{line}: run make lock"
    text = (REPOSITORY / "deploy" / "constraints.txt").read_text()
    assert "http" not in re.sub(
        r"\bhttp(tools|x)", "", text
    )  # the place they came from is no part of it


def test_the_bill_of_materials_is_of_what_is_locked() -> None:
    made = runpy.run_path(str(REPOSITORY / "deploy" / "sbom.py"))["document"]()
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["version"] == PROJECTS[0]["version"]
    names = {one["name"] for one in made["components"]}
    assert {"cryptography", "msgspec", "rocksdict", "pyarrow", "botocore"} <= names
    assert all(
        re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[^@]+", one["purl"]) for one in made["components"]
    )
    assert set(made["dependencies"][0]["dependsOn"]) == {
        one["bom-ref"] for one in made["components"]
    }
    assert any(one.get("licenses") for one in made["components"])
