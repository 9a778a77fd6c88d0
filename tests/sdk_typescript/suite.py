"""The end-to-end suite of the TypeScript SDK, as its repository has it, on published packages."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from tests.parts.cache import fetched, run_to_fetch
from tests.parts.node import NODE, install
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

REPOSITORY = "https://github.com/restatedev/sdk-typescript.git"
COMMIT = "e86286010c006ce48190dda54b97dd5b0761643e"
_SUITE = "packages/tests/restate-e2e-services"
_OURS = Path(__file__).parent
# The services import it for the test that is left out; it would have to be compiled.
_HEAPDUMP = "exports.writeSnapshot = () => {};\n"
_FILES = ("package.json", "package-lock.json", "vitest.config.ts")


def suite_directory(origin: str = REPOSITORY) -> Path:
    """A checkout of the suite with the packages it needs; `origin` is a clone of the repository,
    by URL or path."""

    def fetch(directory: Path) -> None:
        git = ["git", "-c", "advice.detachedHead=false"]
        run_to_fetch([*git, "init", "--quiet", "."], directory)
        run_to_fetch([*git, "fetch", "--quiet", "--depth", "1", origin, COMMIT], directory)
        roots = ["tsconfig.json", "tsconfig.base.json"]
        run_to_fetch([*git, "checkout", "--quiet", "FETCH_HEAD", "--", _SUITE, *roots], directory)
        shutil.rmtree(directory / ".git")
        for name in _FILES:
            shutil.copy(_OURS / name, directory / _SUITE / name)
        install(directory / _SUITE)
        heapdump = directory / _SUITE / "node_modules" / "heapdump"
        heapdump.mkdir()
        (heapdump / "index.js").write_text(_HEAPDUMP)

    ours = b"".join((_OURS / name).read_bytes() for name in _FILES)
    version = f"2 {COMMIT} {hashlib.sha256(ours).hexdigest()}"
    return fetched("sdk-typescript-suite", version, fetch) / _SUITE


class Services(Part):
    """The services that the suite calls."""

    name = "suite-services"

    def __init__(self, suite: Path, log_dir: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        env = {"PORT": str(self.port), "RESTATE_LOGGING": "ERROR", "NODE_ENV": "production"}
        command = [str(NODE), "--import", "tsx", "src/app.ts"]
        self.process = Process("suite-services", command, env, cwd=suite, log_dir=log_dir)


def vitest_command(report: Path, asked: list[str]) -> list[str]:
    """Run the suite; `asked` is for vitest: a file, `-t` and part of a name."""
    command = [str(NODE), "node_modules/vitest/vitest.mjs", "run", "--reporter=default"]
    return [*command, "--reporter=json", f"--outputFile.json={report}", *asked]
