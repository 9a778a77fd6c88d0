"""The types that users of the SDK see, by mypy and pyright in strict mode; what is wrong is found
by them. Users' files are `types/user_code.py`, the contract services, the examples and the programs
of the guide."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.examples.pages import pages
from tests.parts import wheels
from tests.parts.cache import REPOSITORY
from tests.parts.needed import needed
from tests.parts.node import NODE

_USERS = ("tests/sdk/types/user_code.py", "tests/sdk/conformance")
_NOT_INSTALLED = ("agent_openai", "agent_pydantic_ai")  # what they import
_EXAMPLES = [
    f"examples/{file.name}"
    for file in sorted((REPOSITORY / "examples").glob("*.py"))
    if file.stem not in _NOT_INSTALLED
]


def _write_guide(directory: Path) -> Path:
    """Each page's program, and its callers as functions of a client."""
    directory.mkdir()
    for page in pages():
        program = "\n".join(text for _, text in page.texts(""))
        if not program.strip():
            continue
        for number, (_, text) in enumerate(page.texts("client")):
            head = f"async def call_{number}(client: perdure.AsyncClient, url: str) -> None:"
            program += f"\n\n{head}\n{textwrap.indent(text, '    ')}"
        if "import perdure\n" not in program:
            program = f"import perdure\n{program}"
        (directory / f"guide_{page.name.replace('-', '_').lower()}.py").write_text(program)
    return directory


def test_mypy(tmp_path: Path) -> None:
    """With the settings of `make check`, which are strict: what that has kept is used again."""
    guide = _write_guide(tmp_path / "guide")
    command = [sys.executable, "-m", "mypy", *_USERS, *_EXAMPLES, str(guide)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright(tmp_path: Path) -> None:
    pyright = needed("pyright", wheels.pyright) / "pyright/dist/index.js"
    _write_guide(tmp_path / "guide")
    for name in (*_USERS, *_EXAMPLES, "tests/conformance/programs.py"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, place)
    (tmp_path / "perdure").symlink_to(REPOSITORY / "sdk/perdure")
    configuration = {
        "include": ["tests/sdk", "examples", "guide"],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    file = tmp_path / "pyrightconfig.json"
    file.write_text(json.dumps(configuration))
    command = [str(NODE), str(pyright), "-p", str(file), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
