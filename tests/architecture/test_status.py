"""The life of an invocation is one table: ARCHITECTURE shows it, one function follows it.

`PERDURE_REWRITE_GOLDEN=1` writes the diagram in ARCHITECTURE.md anew.
"""

import ast
import os
import re
from pathlib import Path

from orchestrator.machine.status import CAUSE_NAMES, TRANSITIONS
from orchestrator.model.values import COMPLETED, NEW, STATUS_NAMES
from tests.architecture.sources import nodes_of

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```mermaid\nstateDiagram-v2\n.*?```\n", re.DOTALL)


def _diagram() -> str:
    """Causes that lead the same way share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, cause), after in TRANSITIONS.items():
        ends = (_node(before), _node(after))
        arrows.setdefault(ends, []).append(CAUSE_NAMES[cause])
    lines = [f"    {a} --> {b}: {', '.join(causes)}" for (a, b), causes in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```\n"])


def _node(status: int) -> str:
    return "[*]" if status in (NEW, COMPLETED) else STATUS_NAMES[status]


def test_architecture_shows_the_table() -> None:
    file = ROOT / "ARCHITECTURE.md"
    text = file.read_text()
    if os.environ.get("PERDURE_REWRITE_GOLDEN"):
        text = BLOCK.sub(lambda _: _diagram(), text)
        file.write_text(text)
    assert BLOCK.findall(text) == [_diagram()]


def test_one_function_changes_a_status() -> None:
    writers = []
    for file in sorted((ROOT / "orchestrator" / "machine").rglob("*.py")):
        for node in nodes_of(file):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(t, ast.Attribute) and t.attr == "status" for t in targets):
                writers.append(file.name)
    assert writers == ["status.py"]
