"""Programs and schemas that come as wheels and that only few tests need: kept out of .venv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.parts.cache import fetched, run_to_fetch

_ASKED = """
import io, json, sys
script = compile(json.loads(sys.stdin.readline()), "script", "exec")
sys.stdout.reconfigure(line_buffering=True)
for line in sys.stdin:
    sys.stdin = io.StringIO(line)
    exec(script, {})
"""


def agents() -> Path:
    return _wheels("agents", "pydantic-ai-slim==2.68.0", "openai-agents==0.24.0")


def compose_spec() -> Path:
    return _wheels("compose-spec", "compose-spec==0.2.1")


def helm() -> Path:
    """With the schemas of Kubernetes."""
    return _wheels("helm", "helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0")


def pyright() -> Path:
    return _wheels("pyright", "pyright==1.1.414")


def _wheels(name: str, *requirements: str) -> Path:
    """A directory for PYTHONPATH that holds `requirements` and what they need."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--only-binary", ":all:"]
    version = " ".join([*requirements, sys.implementation.cache_tag])
    return fetched(
        name,
        version,
        lambda place: run_to_fetch([*pip, "--target", str(place), *requirements], place),
    )


class Asked:
    """A script that prints a line of JSON about the JSON that it reads. One process runs it again
    and again: it loads its libraries, which `directory` has, once."""

    def __init__(self, script: str, directory: Path) -> None:
        self._script, self._directory = script, directory
        self._process: subprocess.Popen[str] | None = None

    def ask(self, given: Any) -> Any:
        self._process = process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the script failed: stderr says why"
        return json.loads(line)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=10)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _ASKED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(self._directory)},
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(self._script) + "\n")
        return process
