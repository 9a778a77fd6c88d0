"""The types that users of the SDK see, by mypy and pyright in strict mode; what is wrong is found
by them. Users' files are `types/user_code.py` and the contract services."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY
from tests.parts.needed import needed
from tests.parts.node import NODE
from tests.parts.wheels import PYRIGHT, wheels

_USERS = ("tests/sdk/types/user_code.py", "tests/sdk/conformance")


def test_mypy(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores"]
    command += ["--config-file", os.devnull, "--cache-dir", str(tmp_path)]
    command += ["--follow-imports", "silent", *_USERS]
    env = {**os.environ, "MYPYPATH": str(REPOSITORY / "sdk")}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=REPOSITORY, env=env, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright(tmp_path: Path) -> None:
    pyright = needed("pyright", lambda: wheels("pyright", PYRIGHT)) / "pyright/dist/index.js"
    for name in (*_USERS, "tests/conformance/programs.py"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, place)
    (tmp_path / "perdure").symlink_to(REPOSITORY / "sdk/perdure")
    configuration = {
        "include": ["tests/sdk"],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    file = tmp_path / "pyrightconfig.json"
    file.write_text(json.dumps(configuration))
    command = [str(NODE), str(pyright), "-p", str(file), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
