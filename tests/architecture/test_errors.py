"""Every error code of the server has one meaning and one page."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"PD0\d{3}")


def _used() -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    server = ROOT / "orchestrator"
    for file in server.rglob("*.py"):
        for code in CODE.findall(file.read_text()):
            used.setdefault(code, set()).add(file.relative_to(server).parts[0])
    return used


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    pages = {page.stem for page in (ROOT / "docs/errors").glob("PD*.md")}
    assert pages == set(_used())


def test_a_code_belongs_to_one_room() -> None:
    assert {code: rooms for code, rooms in _used().items() if len(rooms) > 1} == {}


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/errors/README.md").read_text()
    for page in (ROOT / "docs/errors").glob("PD*.md"):
        assert page.read_text().startswith(f"# {page.stem}: ")
        assert f"({page.name})" in index
