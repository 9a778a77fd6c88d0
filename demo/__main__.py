"""`python -m demo`: run the story; the exit code says whether it went as it should."""

import argparse
import sys
import tempfile
from pathlib import Path

from demo.story import Story


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--log", choices=("embedded", "kafka"), default="embedded")
    log = parser.parse_args().log
    with tempfile.TemporaryDirectory(prefix="perdure-demo-") as directory:
        return Story(log, Path(directory)).tell()


if __name__ == "__main__":
    sys.exit(main())
