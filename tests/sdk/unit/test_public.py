"""What `import perdure` offers, and what it does not load."""

import ast
import subprocess
import sys
from pathlib import Path

import perdure


def test_type_checkers_see_what_there_is() -> None:
    tree = ast.parse(Path(str(perdure.__file__)).read_text())
    seen = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert {name: f"perdure.{home}" for name, home in perdure._HOMES.items()} == seen
    for name in perdure.__all__:
        assert getattr(perdure, name).__module__ == seen[name]


def test_the_codec_alone_loads_nothing_else() -> None:
    code = (
        "import sys, perdure.wire; loaded = [m for m in sys.modules if m.startswith('perdure.')];"
        "assert all(m.startswith('perdure.wire') for m in loaded), loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
