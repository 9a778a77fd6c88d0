"""Programs and schemas that come as wheels and that only few tests need: kept out of .venv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.parts.cache import fetched, run_to_fetch


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


def ask(script: str, given: Any, directory: Path) -> Any:
    """What `script` prints, as JSON, when it reads `given`; `directory` has what it imports."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
