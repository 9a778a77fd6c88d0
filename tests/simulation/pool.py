"""Runs seeds in processes of their own, and says what they came to."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol
from unittest import mock

from tests.simulation.play import Verdict, simulate

HASH_SEEDS = (1, 2)
ROOT = Path(__file__).resolve().parents[2]


class Simulate(Protocol):
    def __call__(self, seed: int, *, is_checked: bool = True) -> Verdict: ...


def run(seeds: Iterable[int], simulate: Simulate = simulate) -> Iterator[Verdict]:
    """Verdicts in the order of the seeds. Each is run twice, under two PYTHONHASHSEEDs, and must
    be the same story with the same rows; one of them is checked."""
    wanted, again_only = list(seeds), partial(simulate, is_checked=False)
    with _executor(HASH_SEEDS[0]) as one, _executor(HASH_SEEDS[1]) as other:
        verdicts = one.map(simulate, wanted, chunksize=4)
        told_again = other.map(again_only, wanted, chunksize=4)
        for verdict, again in zip(verdicts, told_again, strict=True):
            if verdict.digest != again.digest:
                verdict.violations.append("digest: another story under another hashing")
            yield verdict


def _executor(hash_seed: int) -> ProcessPoolExecutor:
    """One process. Python takes the seed of its hashing from the environment when it starts."""
    with mock.patch.dict(os.environ, {"PYTHONHASHSEED": str(hash_seed)}):
        executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        executor.submit(os.getpid).result()
    return executor


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
