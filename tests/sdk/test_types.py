"""The types that users of the SDK see, by mypy in strict mode; what is wrong is found by it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.parts.cache import REPOSITORY


def test_a_users_file_is_checked_by_its_types(tmp_path: Path) -> None:
    file = REPOSITORY / "tests/sdk/types/user_code.py"
    command = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores"]
    command += ["--config-file", os.devnull, "--cache-dir", str(tmp_path), str(file)]
    env = {**os.environ, "MYPYPATH": str(REPOSITORY / "sdk")}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
