"""One tree of loggers: what operators filter by does not follow the names of files."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import name_of, source_files


def _names(path: Path) -> list[ast.expr]:
    return [
        node.args[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and node.args
    ]


@pytest.mark.parametrize("path", source_files(), ids=name_of)
def test_a_logger_is_named_after_its_room(path: Path) -> None:
    if name_of(path) == "orchestrator/runtime/logs.py":  # it tames those of libraries
        return
    for name in _names(path):
        assert isinstance(name, ast.Constant), "write the name out"
        assert str(name.value).split(".")[0] == "perdure"
