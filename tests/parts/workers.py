"""How the workers of a run share its tests: whole modules and whole combinations, in order.

What the tests of a module share, a server or a broker, is started once, by the worker that has the
module. xdist's own groups do nothing with pytest 9: they are carried by ids that it can't change.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

# Modules that read the same sources.
_TOGETHER = ("tests/architecture/",)
# Modules of few, long tests, which several workers share.
_SPREAD = ("tests/simulation/", "tests/scale/")
_COMBINATION = re.compile(r"\[((?:perdure|restate)-\w+-v\d-\w+-\w+(?:-signed)?(?:-explicit)?)")


def unit_of(nodeid: str) -> str:
    """What one worker runs whole: a room, a module, a combination of the conformance suite, or a
    test."""
    for room in _TOGETHER:
        if nodeid.startswith(room):
            return room
    if nodeid.startswith(_SPREAD):
        return nodeid
    module, _, test = nodeid.partition("::")
    if module.startswith("tests/conformance/"):
        combination = _COMBINATION.search(test)
        return combination[1] if combination else module
    return module


class WholeUnits(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out units in the order of collection: the short ones of `tests/unit` come last."""

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # not those of the most tests first
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
