"""`python -m tests.scale [NAME...] [--share 0.5 | --small]`: exits with 1 if a bar is missed."""

import argparse
import sys

from tests.scale import backlog, idle, payloads, soak, table
from tests.scale.scenarios import SCENARIOS

_NAMES = [*SCENARIOS, "payloads", "backlog", "idle", "soak"]


def _table(names: list[str], share: float, is_small: bool) -> bool:
    held = True
    print(table.head(), flush=True)
    for name in names:
        scenario = SCENARIOS[name]
        if is_small and not scenario.small:
            continue
        count = scenario.small if is_small else int(scenario.full * share)
        small, large = scenario.run(count // 4), scenario.run(count)
        held &= not table.misses(small, large)
        print(table.row(small, large), flush=True)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.scale")
    parser.add_argument("names", nargs="*", choices=[*_NAMES, []])
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--small", action="store_true", help="the sizes of `make test`")
    asked = parser.parse_args()
    names = asked.names or _NAMES
    held = _table([name for name in names if name in SCENARIOS], asked.share, asked.small)
    if "payloads" in names:
        share = 0.05 if asked.small else asked.share
        held &= payloads.run(int(4_500 * share), int(400 * share))
    if "backlog" in names:
        full = int(backlog.RECORDS * asked.share)
        held &= backlog.run(backlog.SMALL) if asked.small else backlog.run(backlog.Size(full))
    if "idle" in names:
        held &= idle.run(idle.SECONDS_SMALL if asked.small else idle.SECONDS)
    if "soak" in names and not asked.small:
        held &= soak.run(int(soak.LIVES * asked.share))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
