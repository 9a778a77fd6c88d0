"""A part that a test needs: had, or the test is skipped and the last lines say so."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.parts.cache import PartUnavailable

T = TypeVar("T")


def needed(what: str, start: Callable[[], T]) -> T:
    """The part; the last lines of the run say what could not be had."""
    try:
        return start()
    except PartUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{what} cannot be had here: {str(error).splitlines()[0]}")
