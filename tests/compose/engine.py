"""A composition on the Docker engine that DOCKER_HOST names, under a project name of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.parts.cache import REPOSITORY

# Both would publish the same ports: nothing of an earlier run may be left.
PROJECT = "perdure-test"


def docker(*words: str, timeout_s: float = 120.0) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def _compose() -> list[str]:
    """`docker compose`, or its predecessor."""
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if asked.returncode == 0:
        return ["docker", "compose"]
    old = shutil.which("docker-compose")
    assert old, "neither `docker compose` nor `docker-compose` is here"
    return [old]


class Stack:
    """One composition; `up` and `down` are what a user types."""

    def __init__(self, path: Path) -> None:
        self._command = [*_compose(), "-p", PROJECT, "-f", str(path)]

    def compose(self, *words: str, timeout_s: float = 300.0) -> str:
        done = subprocess.run(
            [*self._command, *words],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> None:
        self.compose("up", "-d")

    def down(self) -> None:
        self.compose("down", "-v", "--remove-orphans")

    def inspect(self, service: str) -> Any:
        """What the engine knows of the container of a service, running or not."""
        names = [
            f"label=com.docker.compose.{k}" for k in (f"project={PROJECT}", f"service={service}")
        ]
        found = docker("ps", "-aq", "--filter", names[0], "--filter", names[1]).split()
        assert len(found) == 1, (service, found)
        return json.loads(docker("inspect", found[0]))[0]

    def health(self, service: str) -> str:
        state = self.inspect(service)["State"]
        status: str = state.get("Health", {}).get("Status", state["Status"])
        return status

    def kill(self, service: str) -> str:
        """SIGKILL to the process of a service; says who starts it again.

        The engine starts it again by the restart policy, unless it was asked itself to kill it:
        then it takes it for stopped on purpose.
        """
        found = self.inspect(service)
        pid = found["State"]["Pid"]
        if _is_here(pid, found["Id"]):
            os.kill(pid, signal.SIGKILL)
            return "restarted by the engine"
        docker("kill", found["Id"])
        docker("start", found["Id"])
        return "started again"

    def restarted(self, service: str, before: str) -> bool:
        state = self.inspect(service)["State"]
        return bool(state["Running"] and state["StartedAt"] != before)

    def stop_s(self, service: str) -> tuple[float, int]:
        """How long a SIGTERM takes, and the exit code."""
        began_s = time.monotonic()
        docker("stop", self.inspect(service)["Id"])
        return time.monotonic() - began_s, self.inspect(service)["State"]["ExitCode"]


def _is_here(pid: int, container: str) -> bool:
    """Whether this process id is that of the container, on this machine."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
