"""The product's source files and what they import."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = frozenset(("orchestrator", "perdure"))
OF_NEWER_PYTHONS = {"annotationlib"}  # in the standard library of 3.14


def source_files() -> list[Path]:
    return sorted([*(ROOT / "orchestrator").rglob("*.py"), *(ROOT / "sdk/perdure").rglob("*.py")])


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """Parsed once for all rules; `conftest.py` lets go of all trees after the last."""
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file."""
    return tuple(ast.walk(tree_of(path)))


def imported(path: Path) -> set[str]:
    """Top-level names of the libraries a file imports, wherever in the file."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            found.add(node.module.partition(".")[0])
    return found


def third_party(path: Path) -> set[str]:
    return imported(path) - OWN - sys.stdlib_module_names - OF_NEWER_PYTHONS
