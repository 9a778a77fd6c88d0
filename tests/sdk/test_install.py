"""What an installation of the SDK brings, and the Pythons that it runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY, fetched, run_to_fetch
from tests.parts.needed import needed

BASE_BYTES_MAX = 2_500_000  # ours 0.7 MB and msgspec 0.7 MB, as of writing
_OTHERS = ("3.12", "3.13", "3.14")
_NEEDS = ["msgspec", "pydantic", "httptools", "ngh2", "uvloop", "cryptography", "backports.zstd"]
_NEEDS += ["pytest", "pytest-timeout", "hypothesis", "anyio"]
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


def interpreters() -> dict[str, Path]:
    """Other Pythons of this machine, by version."""
    found = {}
    for version in _OTHERS:
        places = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
        on_path = shutil.which(f"python{version}")
        for place in [*sorted(places), *([Path(on_path)] if on_path else [])]:
            asked = subprocess.run([place, "-V"], capture_output=True, text=True, timeout=30)
            if asked.returncode == 0 and asked.stdout.startswith(f"Python {version}."):
                found[version] = place
                break
    return found


def needs_of(version: str) -> Path:
    """A directory for PYTHONPATH with what the SDK's own tests import."""
    wanted = [one for one in _NEEDS if version != "3.14" or one != "backports.zstd"]
    pip = [*_PIP, "install", "--only-binary", ":all:", "--python-version", version]
    return fetched(
        f"sdk-needs-{version}",
        " ".join(wanted),
        lambda place: run_to_fetch([*pip, "--target", str(place), *wanted], place),
    )


def test_it_runs_on_the_other_pythons_of_this_machine(tmp_path: Path) -> None:
    """What depends on neither an engine nor much time."""
    files = ["asgi", "definitions", "interfaces", "models", "replay", "runtime", "serde"]
    files += ["server", "slow_and_secret", "unions"]
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
