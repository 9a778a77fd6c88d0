"""Makes deploy/constraints.txt anew: the newest libraries within the bounds, with their hashes.

Needs uv, which `make lock` installs beside everything else.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
_HEAD = (
    "# What a release is made of, and the only files that may be installed for it."
    " Made by `make lock`.\n"
)


def main() -> None:
    wanted = subprocess.run(
        [sys.executable, "deploy/image/requirements.py"],
        cwd=ROOT, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    locked = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", "3.11",
         "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "-q", "-"],
        input=wanted.stdout, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    CONSTRAINTS.write_text(_HEAD + locked.stdout.decode())


if __name__ == "__main__":
    main()
