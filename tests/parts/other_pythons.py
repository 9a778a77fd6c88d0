"""Other Pythons of this machine, and what the SDK's own tests need there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.parts.cache import fetched, run_to_fetch

_OTHERS = ("3.12", "3.13", "3.14")
_NEEDS = ["msgspec", "pydantic", "httptools", "ngh2", "uvloop", "cryptography", "backports.zstd"]
_NEEDS += ["attrs", "pytest", "pytest-timeout", "hypothesis", "anyio"]


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
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    pip += ["--only-binary", ":all:", "--python-version", version]
    return fetched(
        f"sdk-needs-{version}",
        " ".join(wanted),
        lambda place: run_to_fetch([*pip, "--target", str(place), *wanted], place),
    )
