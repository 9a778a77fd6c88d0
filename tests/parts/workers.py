"""How the workers of a run share its tests: whole modules and whole combinations, in order.

What the tests of a module share, a server or a broker, is started once, by the worker that has the
module. xdist's own groups do nothing with pytest 9: they are carried by ids that it can't change.
"""

from __future__ import annotations

import re
from typing import Any

from xdist.scheduler import LoadScopeScheduling

# Modules that read the same sources.
_TOGETHER = ("tests/architecture/",)
# Modules of few, long tests, which several workers share.
_SPREAD = ("tests/simulation/", "tests/scale/")
_COMBINATION = re.compile(r"\[((?:perdure|restate)-\w+-v\d-\w+-\w+(?:-signed)?(?:-explicit)?)")
_FROM_THE_END = 4  # one worker in so many; see turns.py


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
    """Hands out units from the first on, and to every fourth worker from the last on."""

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # not those of the most tests first
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if int(node.gateway.id.removeprefix("gw")) % _FROM_THE_END == _FROM_THE_END - 1:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)
