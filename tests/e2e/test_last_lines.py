"""The last lines of a run say what could not be run; where CI is set that is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """\
import pytest
from tests.parts.cache import PartUnavailable
from tests.parts.needed import needed

def lacking():
    raise PartUnavailable("no network\\nand more")

@pytest.mark.parametrize("number", [1, 2])
def test_of_a_broker(number):
    needed("a broker", lacking)

def test_of_nothing():
    assert needed("a number", lambda: 7) == 7
"""


def run(directory: Path, workers: int, ci: bool) -> subprocess.CompletedProcess[str]:
    (directory / "test_parts.py").write_text(TESTS)
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    env["PYTHONPATH"] = str(ROOT)
    if ci:
        env["CI"] = "true"
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", "."]
    command += ["-q", "-n", str(workers), "test_parts.py"]
    return subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_what_could_not_be_run_is_said_at_the_end(tmp_path: Path, workers: int) -> None:
    ended = run(tmp_path, workers, ci=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = "\n".join(ended.stdout.splitlines()[-4:])
    assert "2 tests: a broker cannot be had here: no network" in last
    assert "1 passed, 2 skipped" in last


def test_in_ci_it_is_a_failure(tmp_path: Path) -> None:
    ended = run(tmp_path, 0, ci=True)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "PartUnavailable: no network" in ended.stdout
