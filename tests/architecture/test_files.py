"""Taste that can be counted: size of files, a sentence of purpose, words that are not used."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import name_of, source_files

LINES_MAX = 600
FUNCTION_LINES_MAX = 100
# A file that is named after nothing in particular collects everything.
NAMELESS = re.compile(r"(^|_)(utils?|helpers?|common|misc|managers?)(_|$)")


@pytest.mark.parametrize("path", source_files(), ids=name_of)
def test_a_file_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX
    assert not NAMELESS.search(path.stem), "name it after what is in it"
    tree = ast.parse(text)
    if tree.body:
        assert ast.get_docstring(tree), "a file begins with one sentence of purpose"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name
