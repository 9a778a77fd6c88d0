"""The cache of fetched parts: built once, whole or not at all, safe under concurrent use."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = REPOSITORY / ".cache" / "parts"


class PartUnavailable(Exception):
    """A part could not be had: no registry, no platform package, no disk."""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetched(name: str, version: str, fetch: Callable[[Path], None]) -> Path:
    """The directory of part `name` at `version`; `fetch` fills it if it is not there yet.

    A half-filled directory is never seen: `fetch` works beside the final place, which appears by
    rename. Another version of the same part is replaced.
    """
    directory = ROOT / name
    stamp = directory / ".version"
    with _locked(ROOT / f"{name}.lock"):
        if stamp.exists() and stamp.read_text() == version:
            return directory
        building = ROOT / f"{name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        try:
            fetch(building)
        except (OSError, subprocess.SubprocessError) as error:
            raise PartUnavailable(f"{name} {version}: {error}") from error
        (building / ".version").write_text(version)
        shutil.rmtree(directory, ignore_errors=True)
        os.replace(building, directory)
    return directory


def run_to_fetch(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run a registry's client; its output becomes the reason when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise PartUnavailable(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-2000:]}")
