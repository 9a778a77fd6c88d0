"""How far a partition is restored: for the log, for /health and for metrics."""

import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger("perdure.processor")
TELL_S: Final = 3.0  # between two lines of one partition


class Progress:
    """Offsets from `begin` to the end of the log as it was then; `reached` is what is applied."""

    __slots__ = (
        "_begun_at",
        "_begun_s",
        "_now_s",
        "_number",
        "_told_s",
        "at",
        "end",
        "has_begun",
    )

    def __init__(self, number: int, now_s: Callable[[], float]) -> None:
        self._number = number
        self._now_s = now_s
        self._begun_s = self._told_s = now_s()
        self._begun_at = self.at = self.end = 0
        self.has_begun = False  # a store is open

    def begin(self, at: int, end: int) -> None:
        """A store that stands for everything below `at` is filled up to `end`."""
        self._begun_at = self.at = at
        self.end = max(at, end)
        self._begun_s = self._now_s()
        self.has_begun = True

    def reached(self, at: int) -> None:
        """Everything below `at` is applied. Logs a line of progress now and then."""
        self.at = at
        now_s = self._now_s()
        if now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            logger.info(
                "partition %d is restored: offset %d of %d, %d %%, %d offsets a second",
                self._number,
                at,
                self.end,
                int(self.ratio * 100),
                (at - self._begun_at) / max(now_s - self._begun_s, 0.001),
            )

    @property
    def lag(self) -> int:
        """Offsets that are still to be applied."""
        return max(0, self.end - self.at)

    @property
    def ratio(self) -> float:
        """From 0 to 1."""
        if not self.has_begun:
            return 0.0
        whole = self.end - self._begun_at
        return 1.0 if whole <= 0 else min(1.0, (self.at - self._begun_at) / whole)
