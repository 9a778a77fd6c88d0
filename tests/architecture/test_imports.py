"""Which way imports go, and where each library lives."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.sources import ROOT, imported, name_of, source_files, third_party

# msgspec defines every record, row and option, so it is everywhere. Every other library is known
# to one place of each room that needs it; none passes a port.
HOMES = {
    "confluent_kafka": (
        "orchestrator/kafka/",
        "orchestrator/log/kafka/",
        "orchestrator/brokers/kafka/",
    ),
    "cryptography": ("orchestrator/invoker/signing.py", "sdk/perdure/identity.py"),
    "datafusion": ("orchestrator/sql/answering.py",),
    "fastapi": ("orchestrator/admin/",),
    "httptools": (
        "orchestrator/ingress/reader.py",
        "orchestrator/invoker/http1.py",
        "orchestrator/node/admin_server.py",
        "sdk/perdure/transports/http1.py",
    ),
    "ngh2": ("orchestrator/invoker/http2.py", "sdk/perdure/transports/http2.py"),
    "opentelemetry": ("sdk/perdure/client/request.py",),
    "orjson": ("orchestrator/admin/", "orchestrator/sql/", "orchestrator/cli/"),
    "pyarrow": ("orchestrator/sql/",),
    "pydantic": ("orchestrator/admin/",),
    "rocksdict": ("orchestrator/store/rocks.py",),
    "starlette": ("orchestrator/admin/",),
    "uvicorn": ("orchestrator/node/admin_server.py",),
    "uvloop": ("orchestrator/cli/serve.py", "sdk/perdure/transports/command.py"),
}


def test_the_contracts_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_each_library_has_a_home() -> None:
    """A line of HOMES, and a reason in docs/adr/0001."""
    strangers = [
        f"{name_of(path)}: {library} lives in {HOMES.get(library, 'no place')}"
        for path in source_files()
        for library in sorted(third_party(path) - {"msgspec"})
        if not name_of(path).startswith(HOMES.get(library, ()))
    ]
    assert not strangers


def test_every_library_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["sql"]
    names = {line.split(">")[0].split("=")[0].replace("-", "_") for line in declared}
    used = set().union(*(third_party(path) for path in source_files()))
    # starlette and pydantic come with fastapi, whose interface they are part of.
    assert used - {"starlette", "pydantic"} <= names


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs/adr/0001-run-time-dependencies.md").read_text()
    for line in project["dependencies"] + project["optional-dependencies"]["sql"]:
        name = line.split(">")[0].split("=")[0]
        assert f"| {name} |" in reasons, f"{name} has no reason"


def test_the_sdk_needs_little() -> None:
    """The base install is msgspec; what an extra brings has its home above."""
    project = tomllib.loads((ROOT / "sdk/pyproject.toml").read_text())["project"]
    assert [line.split(">")[0] for line in project["dependencies"]] == ["msgspec"]
    extras = project.get("optional-dependencies", {})
    brought = {line.split(">")[0] for lines in extras.values() for line in lines}
    for path in source_files():
        if name_of(path).startswith("sdk/"):
            assert third_party(path) <= brought | {"msgspec"}, name_of(path)
            assert "orchestrator" not in imported(path), name_of(path)
