"""Every Python block of docs/python runs: what a page defines is served, and its callers see it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import perdure
from tests.examples.pages import GUIDE, Page, imported, pages
from tests.parts.processes import Process
from tests.parts.server import PerdureServer

PAGES = pages()
KINDS = {"", "client", "test", "agents"}
_COMPAT = {
    "import restate\n": "import perdure.compat as restate\n",
    "from restate.": "from perdure.compat.",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_so(
    page: Page, serve: Callable[[Path], Process], server: PerdureServer, tmp_path: Path
) -> None:
    file = tmp_path / f"guide_{page.name.replace('-', '_').lower()}.py"
    file.write_text(page.program())
    callers = page.callers(imported(file))
    if not callers:
        return  # there is nothing to call
    serve(file)

    async def call_all() -> None:
        async with perdure.AsyncClient(server.ingress, admin_url=server.admin) as client:
            for caller in callers:
                async with asyncio.timeout(30):
                    await caller(client, server.ingress)

    asyncio.run(call_all())


TESTED = [page for page in PAGES if page.texts("test")]


@pytest.mark.parametrize("page", TESTED, ids=lambda page: page.name)
def test_tests_of_a_page_pass(page: Page, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(page.program())
    for number, (_, text) in enumerate(page.texts("test")):
        (tmp_path / f"test_{number}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_other_side_of_a_comparison_is_a_program() -> None:
    kinds = set()
    for page in PAGES:
        for kind, _, text in page.blocks:
            if kind in ("restate", "temporal", "dbos"):
                kinds.add(kind)
                code = compile(text, f"{page.path}: {kind}", "exec")
                if kind == "restate":
                    exec(code, {"__name__": "restate_side"})
                    for name in ("import restate\n", "from restate."):
                        text = text.replace(name, _COMPAT[name])
                    exec(text, {"__name__": "compat_side"})
    assert kinds == {"restate", "temporal", "dbos"}
    assert {kind for page in PAGES for kind, _, _ in page.blocks} <= kinds | KINDS


def test_pages_are_listed_and_their_links_lead_somewhere() -> None:
    index = (GUIDE / "README.md").read_text()
    for page in PAGES:
        assert page.name == "README" or f"({page.path.name})" in index, page.name
        text = page.path.read_text()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text):
            assert (page.path.parent / target).exists(), f"{page.name}: {target}"
