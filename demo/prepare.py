"""`python demo/prepare.py DIRECTORY [EXTRA]`: an environment with what the server runs on.

Nothing is built: the demo runs from this source tree. Where the Python at hand has no pip that can
install elsewhere, the environment gets one of its own.
"""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PIP_MIN = (22, 3)  # the first that installs into another environment
_FLAGS = ["--quiet", "--disable-pip-version-check", "--no-compile"]


def main() -> None:
    directory, *extras = sys.argv[1:]
    pip = [sys.executable, "-m", "pip", "--python", f"{directory}/bin/python"]
    if _pip() < _PIP_MIN:
        venv.create(directory, with_pip=True, clear=True)
        pip = [f"{directory}/bin/python", "-m", "pip"]
    else:
        venv.create(directory, clear=True)
    subprocess.run([*pip, "install", *_FLAGS, *_wanted(extras)], check=True)


def _pip() -> tuple[int, ...]:
    run = subprocess.run(
        [sys.executable, "-c", "import pip; print(pip.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    parts = run.stdout.strip().split(".")[:2]
    return tuple(int(part) for part in parts if part.isdecimal())


def _wanted(extras: list[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines: list[str] = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [line for line in lines if not line.startswith("perdure")]


if __name__ == "__main__":
    main()
