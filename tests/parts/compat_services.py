"""The contract services of the Restate Python SDK on ours: only their imports are changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tests.parts import python_services
from tests.parts.cache import fetched

_IMPORTS = (
    (re.compile(r"^(\s*)from restate\b", re.M), r"\1from perdure.compat"),
    (re.compile(r"^(\s*)import restate\b(?!\.)", re.M), r"\1import perdure.compat as restate"),
)


def with_our_imports(text: str) -> str:
    """A file of a user of restate-sdk, with its imports changed."""
    for pattern, replacement in _IMPORTS:
        text = pattern.sub(replacement, text)
    return text


def sources() -> Path:
    """A directory of the services' files, imports changed."""
    origin = python_services.sources()
    files = {
        str(file.relative_to(origin)): with_our_imports(file.read_text())
        for file in sorted(origin.rglob("*.py"))
    }

    def write(directory: Path) -> None:
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)

    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    return fetched("compat-services", digest, write)
