"""Runs seeds in processes of their own, and says what they came to."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.world import Verdict, simulate

WORKERS = 2
ROOT = Path(__file__).resolve().parents[2]


def run(seeds: Iterable[int]) -> Iterator[Verdict]:
    """Verdicts in the order of the seeds."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as executor:
        yield from executor.map(simulate, seeds, chunksize=4)


def digests(first: int, last: int, hash_seed: int, mutant: str = "") -> dict[int, str]:
    """Digests of seeds as another process finds them, under a PYTHONHASHSEED."""
    command = [sys.executable, "-m", "tests.simulation", "--seeds", f"{first}-{last}", "--digests"]
    if mutant:
        command += ["--mutant", mutant]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    found = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=110
    )
    lines = [line.split() for line in found.stdout.splitlines()]
    return {int(seed): digest for seed, digest in lines}
