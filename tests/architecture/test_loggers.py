"""One tree of loggers: what operators filter by does not follow the names of files."""

import ast
from pathlib import Path

from tests.architecture.sources import name_of, nodes_of, source_files


def _names(path: Path) -> list[ast.expr]:
    return [
        node.args[0]
        for node in nodes_of(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and node.args
    ]


def _is_of_the_tree(name: ast.expr) -> bool:
    """Written out, so that it is found."""
    return isinstance(name, ast.Constant) and str(name.value).split(".")[0] == "perdure"


def test_a_logger_is_named_after_its_room() -> None:
    wrong = [
        f"{name_of(path)}: {ast.unparse(name)}"
        for path in source_files()
        # One tames those of libraries, one gives users their own.
        if name_of(path) not in ("orchestrator/runtime/logs.py", "sdk/perdure/compat/logging.py")
        for name in _names(path)
        if not _is_of_the_tree(name)
    ]
    assert not wrong
