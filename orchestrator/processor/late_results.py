"""Answers waiters whose results were applied while another node led the partition, in slices."""

from orchestrator.processor.waiters import Results
from orchestrator.tables.state import State

LOOK_COUNT = 64  # invocations looked up by one slice


class LateResults:
    """One walk over the invocations that clients wait for when a term begins."""

    def __init__(self, state: State, results: Results) -> None:
        self._state = state
        self._results = results
        self._ids = results.ids()
        self._ids.reverse()

    def step(self) -> bool:
        """Look for the next ones; whether there are more."""
        spent = 0.0
        for _ in range(min(LOOK_COUNT, len(self._ids))):
            spent += self._results.reply_if_done(self._state, self._ids.pop())
            if spent >= 1:
                break
        return bool(self._ids)
