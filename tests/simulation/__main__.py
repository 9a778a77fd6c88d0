"""The simulation from the command line: `python -m tests.simulation --hours 2`."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext

from tests.simulation import seeds
from tests.simulation.mutation import mutated
from tests.simulation.play import simulate
from tests.simulation.pool import run
from tests.simulation.rule_mutants import HASHED
from tests.simulation.topic_world import simulate_topics

REPORT_EVERY = 100


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long to try new seeds")
    parser.add_argument("--first", type=int, help="the first new seed; else one of the clock's")
    parser.add_argument("--seeds", help="these seeds only: 7, 1-200 or 1:200")
    parser.add_argument("--topics", action="store_true", help="worlds with topics")
    parser.add_argument("--digests", action="store_true", help="print the digest of each seed")
    parser.add_argument("--mutant", default="", help=f"with {', '.join(HASHED)} in place")
    return parser.parse_args()


def span(text: str) -> range:
    first, _, last = text.replace(":", "-").partition("-")
    return range(int(first), int(last or first) + 1)


def print_digests(wanted: range, mutant: str) -> int:
    with mutated(mutant) if mutant else nullcontext():
        for seed in wanted:
            print(seed, simulate(seed).digest)
    return 0


def new_seeds(hours: float, first: int | None) -> Iterator[int]:
    """Seeds that failed before, then new ones until the time is over: others each time, so that
    runs at once or night after night do not do the same."""
    until_s = time.monotonic() + hours * 3600
    yield from seeds.kept()
    seed = first if first is not None else int(time.time()) * 1_000
    while time.monotonic() < until_s:
        yield seed
        seed += 1


def batches(wanted: Iterator[int], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for seed in wanted:
        batch.append(seed)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def main() -> int:
    options = parse()
    if options.digests:
        return print_digests(span(options.seeds), options.mutant)
    wanted = iter(span(options.seeds)) if options.seeds else new_seeds(options.hours, options.first)
    count = failed = 0
    for batch in batches(wanted, REPORT_EVERY):
        for verdict in run(batch, simulate_topics if options.topics else simulate):
            count += 1
            if verdict.violations:
                failed += 1
                if not options.topics:  # a seed of these is another world
                    seeds.keep(verdict.seed, verdict.violations[0])
                print(f"seed {verdict.seed}:", *verdict.violations[:5], sep="\n  ", flush=True)
        print(f"{count} seeds, {failed} failed, the last is {batch[-1]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
