"""Taste that can be counted: size of files, a sentence of purpose, words that are not used."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT, name_of, nodes_of, source_files, tree_of

LINES_MAX = 400
FAMILY_MAX = 5
FUNCTION_LINES_MAX = 100
# A file that is named after nothing in particular collects everything.
NAMELESS = re.compile(r"(^|_)(utils?|helpers?|common|misc|managers?)(_|$)")


def _faults(path: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield f"{lines} lines"
    if NAMELESS.search(path.stem):
        yield "name it after what is in it"
    tree = tree_of(path)
    if tree.body and not ast.get_docstring(tree):
        yield "a file begins with one sentence of purpose"
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= FUNCTION_LINES_MAX:
                yield f"{node.name} is long"


def test_a_file_is_small_and_says_what_it_is_for() -> None:
    faults = [f"{name_of(path)}: {fault}" for path in source_files() for fault in _faults(path)]
    assert not faults


def test_tests_are_small_files_too() -> None:
    lines = {name_of(path): path.read_text().count("\n") for path in (ROOT / "tests").rglob("*.py")}
    assert not {name for name, count in lines.items() if count > LINES_MAX}


def test_no_room_has_two_families_side_by_side() -> None:
    """Files named after a family (`family_part.py`) become a room of their own when many."""
    for room in sorted({path.parent for path in source_files()}):
        families = Counter(path.stem.split("_")[0] for path in room.glob("*_*.py"))
        families.pop("", None)
        families.pop("apply", None)  # one file for each kind of record
        assert all(count < FAMILY_MAX for count in families.values()), (name_of(room), families)
