"""The fixture `perdure_env`, as users' tests have it."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from tests.parts.cache import REPOSITORY

TESTS = """
import asyncio
from datetime import timedelta
from tests.sdk import served_app as services


def test_plain(perdure_env):
    with perdure_env(services.app) as env:
        assert env.client.call(services.greet, "ann") == "Hello ann"


def test_coroutine(perdure_env):
    async def main():
        async with perdure_env(services.app, always_replay=True) as env:
            assert await env.client.call(services.steps, 2) == [1, 1, 1, 1]

    asyncio.run(main())


def test_that_fails(perdure_env):
    with perdure_env(services.app) as env:
        env.client.call(services.add, 5, key="k")
        assert env.client.call(services.total, key="k") == 6
"""


def test_the_fixture_and_what_a_failure_shows(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "perdure.pytest_plugin", "test_it.py"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed, 2 passed" in run.stdout
    assert "Counter/k/add completed (inv_" in run.stdout and "SetState" in run.stdout


def test_pytest_finds_it() -> None:
    project = tomllib.loads((REPOSITORY / "sdk/pyproject.toml").read_text())["project"]
    (module,) = project["entry-points"]["pytest11"].values()
    assert hasattr(import_module(module), "perdure_env")


def test_it_loads_nothing_before_it_is_used() -> None:
    """Every run of pytest in an environment with the SDK loads the plugin."""
    code = (
        "import sys, perdure.pytest_plugin; "
        "print([n for n in sys.modules if n.startswith(('perdure.', 'orchestrator'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "['perdure.pytest_plugin']", run.stdout + run.stderr
