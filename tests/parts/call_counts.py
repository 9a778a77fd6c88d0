"""Counts calls rather than time: what a request costs, on any machine and under any load."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any


class Calls:
    """How many there were, once it is over."""

    def __init__(self) -> None:
        self.count = 0


@lru_cache
def _is_ours(filename: str) -> bool:
    return "/tests/" not in filename and ("/orchestrator/" in filename or "/perdure/" in filename)


@contextmanager
def counted() -> Iterator[Calls]:
    """Calls of Python functions of the server, and of those in C that they call themselves."""
    calls = Calls()

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_call") and _is_ours(frame.f_code.co_filename):
            calls.count += 1

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def calls_of(work: Callable[[], object]) -> int:
    """The same for one function."""
    with counted() as calls:
        work()
    return calls.count
