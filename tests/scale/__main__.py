"""`python -m tests.scale [NAME...] [--share 0.02]`: exits with 1 if a bar does not hold."""

import argparse
import sys

from tests.scale import payloads, table
from tests.scale.scenarios import SCENARIOS


def _table(names: list[str], share: float) -> bool:
    held = True
    print(table.head(), flush=True)
    for name in names:
        run, full = SCENARIOS[name]
        count = int(full * share)
        small, large = run(count // 4), run(count)
        held &= not table.misses(small, large)
        print(table.row(small, large), flush=True)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.scale")
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, "payloads", []])
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    asked = parser.parse_args()
    names = asked.names or [*SCENARIOS, "payloads"]
    held = _table([name for name in names if name in SCENARIOS], asked.share)
    if "payloads" in names:
        held &= payloads.run(int(4_500 * asked.share), int(400 * asked.share))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
