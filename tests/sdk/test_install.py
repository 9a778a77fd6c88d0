"""What an installation of the SDK brings, and the Pythons that it runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY, run_to_fetch
from tests.parts.needed import needed
from tests.parts.other_pythons import interpreters, needs_of

BASE_BYTES_MAX = 2_500_000  # ours 0.7 MB and msgspec 0.7 MB, as of writing
_PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]

_PROGRAM = """\
import sys
import perdure

service = perdure.Service("S")

@service.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"

app = perdure.app(service)
handler = app.lambda_handler()
event = {"path": "/discover", "httpMethod": "GET", "headers": {"Accept": "*/*"}}
assert handler(event)["statusCode"] == 200
perdure.Client("http://127.0.0.1:1").close()
assert not {"orchestrator", "pydantic", "ngh2", "uvloop"} & set(sys.modules)
"""


def test_the_base_install_is_small_and_enough(tmp_path: Path) -> None:
    place = tmp_path / "installed"
    source = tmp_path / "sdk"  # where the build may leave what it makes
    shutil.copytree(REPOSITORY / "sdk", source, ignore=shutil.ignore_patterns("*.egg-info"))
    command = [*_PIP, "install", "--no-compile", "--target", str(place), str(source)]
    needed("the SDK's base install", lambda: run_to_fetch(command, tmp_path))
    brought = {one.name.partition("-")[0] for one in place.glob("*.dist-info")}
    assert brought == {"perdure", "msgspec"}
    files = [one for one in place.rglob("*") if one.is_file()]
    assert sum(one.stat().st_size for one in files) <= BASE_BYTES_MAX
    assert (place / "perdure" / "py.typed").exists()
    program = [sys.executable, "-S", "-c", _PROGRAM]
    env = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_it_runs_on_the_other_pythons_of_this_machine(tmp_path: Path) -> None:
    """What depends on neither an engine nor much time."""
    files = ["aliases", "ambient", "annotations", "asgi", "definitions", "models", "own_loop"]
    files += ["runtime", "serde", "steps_at_once", "unions"]
    for version, python in interpreters().items():
        needs = needed(f"wheels for Python {version}", lambda version=version: needs_of(version))
        path = os.pathsep.join(map(str, (needs, REPOSITORY / "sdk", REPOSITORY)))
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"tests/sdk/unit/test_{name}.py" for name in files]
        env = {**os.environ, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(tmp_path)}
        done = subprocess.run(
            command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=110
        )
        assert done.returncode == 0, f"Python {version}: {done.stdout[-4000:]}{done.stderr[-2000:]}"
