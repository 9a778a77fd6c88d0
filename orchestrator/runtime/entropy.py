"""Randomness for ids, nonces and jitter: injected, so that one seed drives a simulation."""

import os
import random
from typing import Protocol


class Entropy(Protocol):
    """Numbers and bytes nobody can foresee, unless a test wants to."""

    def random64(self) -> int:
        """A number below 2**64."""
        ...

    def random_bytes(self, count: int) -> bytes: ...

    def uniform(self) -> float:
        """A number from 0 up to, not including, 1."""
        ...


def new_ulid(now_ms: int, entropy: Entropy) -> bytes:
    """16 bytes that sort by time: 48 bits of it (Unix ms), 80 of chance."""
    return now_ms.to_bytes(6, "big") + entropy.random_bytes(10)


class SystemEntropy:
    """Random bytes of the operating system, read in blocks: a system call for each id would cost
    too much."""

    _BLOCK_BYTES = 4096

    def __init__(self) -> None:
        self._block = b""
        self._at = 0
        self._jitter = random.Random(os.urandom(16))

    def random_bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._block):
            self._block = os.urandom(max(self._BLOCK_BYTES, count))
            self._at, end = 0, count
        taken = self._block[self._at : end]
        self._at = end
        return taken

    def random64(self) -> int:
        return int.from_bytes(self.random_bytes(8), "big")

    def uniform(self) -> float:
        return self._jitter.random()


class SeededEntropy:
    """The same numbers for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def random64(self) -> int:
        return self._random.getrandbits(64)

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def uniform(self) -> float:
        return self._random.random()
