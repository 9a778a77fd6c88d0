"""The Python blocks of a page of docs/python: a program, and what its callers see.

A block is one of three by what follows ```` ```python ````: nothing is part of the page's program,
in order; `client` runs after all of that, with `client`, a client of what is defined, and its `url`
in scope; `test` is a file of tests for pytest. `restate` is a program on restate-sdk; those of
libraries that are not installed here (`temporal`, `dbos`) are only compiled; of those that are
installed apart, test_agents.py runs the blocks (`agents`).
"""

from __future__ import annotations

import importlib.util
import re
import sys
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import perdure
from tests.parts.cache import REPOSITORY

GUIDE = REPOSITORY / "docs" / "python"
_BLOCK = re.compile(r"^```python(?: (\w+))?\n(.*?)^```$", re.M | re.S)
_SERVE_ALL = """
import perdure.service as _service
if "app" not in globals():
    _found = [one for one in list(globals().values()) if isinstance(one, _service.BaseService)]
    _classes = {type(one) for one in _found}
    _found += [
        one for one in list(globals().values())
        if isinstance(one, type) and issubclass(one, _service.BaseService)
        and one not in _classes and one.__module__ == __name__
        and "__perdure_interface__" not in vars(one)
    ]
    app = perdure.app(*_found) if _found else None
"""


@dataclass
class Page:
    """`blocks` are (kind, line in the page, text)."""

    path: Path
    blocks: list[tuple[str, int, str]]

    @property
    def name(self) -> str:
        return self.path.stem

    def texts(self, kind: str) -> list[tuple[int, str]]:
        return [(line, text) for found, line, text in self.blocks if found == kind]

    def program(self) -> str:
        """All that the page defines, with an app of all of its services."""
        return "\n".join(text for _, text in self.texts("")) + _SERVE_ALL

    def callers(
        self, module: ModuleType
    ) -> list[Callable[[perdure.AsyncClient, str], Awaitable[Any]]]:
        """A coroutine function of a client for each block that calls; lines are the page's."""
        found = []
        for line, text in self.texts("client"):
            body = f"async def call(client, url):\n{textwrap.indent(text, '    ')}"
            code = compile("\n" * (line - 1) + body, str(self.path), "exec")
            scope: dict[str, Any] = {**vars(module)}
            exec(code, scope)
            found.append(scope["call"])
        return found


def read_page(path: Path) -> Page:
    text = path.read_text()
    blocks = [
        (found.group(1) or "", text.count("\n", 0, found.start()) + 1, found.group(2))
        for found in _BLOCK.finditer(text)
    ]
    return Page(path, blocks)


def pages() -> list[Page]:
    return [read_page(path) for path in sorted(GUIDE.glob("*.md"))]


def imported(file: Path) -> ModuleType:
    """A file as a module, as `python -m perdure` would import it."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module
