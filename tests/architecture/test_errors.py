"""Every error code of the server has one meaning, one line in the table and one page."""

import re
from pathlib import Path

from orchestrator.invoker import codes as attempt_codes
from orchestrator.model.codes import CODES
from orchestrator.registry import errors as registry_errors
from tests.architecture.generated import check

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "orchestrator/model/codes.py"
PAGES = ROOT / "docs/errors"
CODE = re.compile(r"PD\d{4}")


def _used() -> dict[str, set[str]]:
    """Rooms by the codes that they raise or log."""
    used: dict[str, set[str]] = {}
    for file in (ROOT / "orchestrator").rglob("*.py"):
        if file != TABLE:
            for code in CODE.findall(file.read_text()):
                used.setdefault(code, set()).add(_room(file))
    return used


def _room(file: Path) -> str:
    """The log and what makes its Kafka clients share their codes."""
    room = file.relative_to(ROOT / "orchestrator").parts[0]
    return "log" if room == "kafka" else room


def test_what_is_used_is_in_the_table_and_the_other_way_round() -> None:
    assert set(_used()) == set(CODES)


PARTS = ("**Sample.** `", "**Impact.** ", "**Check.** ", "**What to do.** ")


def test_every_code_has_a_page_that_says_what_to_do() -> None:
    """How it looks, what it does to callers, where to look, and what helps: in this order."""
    pages = {page.stem: page.read_text() for page in PAGES.glob("PD*.md")}
    assert set(pages) == set(CODES)
    for code, text in pages.items():
        assert text.startswith(f"# {code}: {CODES[code].title}\n\n")
        paragraphs = text.split("\n\n")
        at = [n for part in PARTS for n, one in enumerate(paragraphs) if one.startswith(part)]
        assert len(at) == len(PARTS) and at == sorted(at) and at[0] > 1, code
        assert code in paragraphs[at[0]], f"{code}: the sample is a line with the code"


def test_a_code_belongs_to_one_room() -> None:
    assert {code: rooms for code, rooms in _used().items() if len(rooms) > 1} == {}


def test_the_index_names_every_page() -> None:
    lines = (f"- [{one.code}]({one.code}.md): {one.title}\n" for one in CODES.values())
    check(PAGES / "README.md", "".join(lines), "codes")


def test_every_code_of_the_protocol_is_explained() -> None:
    for module, page in ((attempt_codes, "attempts.md"), (registry_errors, "registration.md")):
        values = vars(module).values()
        known = {one for one in values if isinstance(one, str) and re.match(r"(RT|META)\d", one)}
        assert known == set(re.findall(r"^\| (\w+\d{4}) \|", (PAGES / page).read_text(), re.M))
