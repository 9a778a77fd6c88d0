"""The order of a run. Half of the suite waits for processes and timers, the other half computes.

Most workers begin with the former and some with the latter, from the end, so that no core is idle;
they meet in the middle, in modules that are over quickly.
"""

from __future__ import annotations

# Those that wait, the longest first.
WAITING = tuple(
    f"tests/{room}/"
    for room in ("conformance", "deploy", "e2e", "scale", "bench", "contracts", "examples", "sdk")
)
# The last of them that needs a broker: one that nobody asks takes a fiftieth of a core.
_LAST_WITH_BROKER = WAITING.index("tests/contracts/")
# Those that compute, the longest last.
COMPUTING = ("tests/sdk/unit/", "tests/architecture/", "tests/simulation/")


def turn_of(nodeid: str) -> int:
    """Tests of equal turns stay in their order."""
    for place, room in enumerate(COMPUTING):
        if nodeid.startswith(room):
            return len(WAITING) + 1 + place
    for place, room in enumerate(WAITING):
        if nodeid.startswith(room):
            return place
    return len(WAITING)


def needs_no_broker(nodeid: str) -> bool:
    """Whether this test needs none, nor any after it."""
    return turn_of(nodeid) > _LAST_WITH_BROKER
