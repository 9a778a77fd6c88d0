"""Random programs for the interpreter services, and the counters they must leave behind."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

LAYERS = 3
KEYS = 6
Program = dict[str, Any]
Counters = Counter[tuple[int, str]]

# The numbers are the contract of the interpreter services.
SET, GET, CLEAR, INCREMENT, INCREMENT_INDIRECTLY, SLEEP = 1, 2, 3, 4, 5, 6
CALL, SLOW_CALL, INCREMENT_DELAYED, STEP, THROWING_STEP, SLOW_STEP = 7, 8, 9, 10, 11, 12
RECOVER, RECOVER_LATER, AWAIT, RESOLVE, REJECT, DANCE, NEXT_LAYER = 13, 14, 15, 16, 17, 18, 19

_PLAIN = [SET, GET, CLEAR, SLEEP, STEP, THROWING_STEP, SLOW_STEP, RECOVER]
_AWAITED = [CALL, SLOW_CALL, RESOLVE, REJECT]
_INCREMENTS = [INCREMENT, INCREMENT_INDIRECTLY, INCREMENT_DELAYED, DANCE]


def _command(dice: random.Random, kind: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "key": dice.randrange(3),
        "duration": dice.randrange(1, 30),
        "sleep": dice.randrange(1, 30),
    }


def program(dice: random.Random, layer: int, key: str, expected: Counters) -> Program:
    """A program for one object; what it adds to any counter is added to `expected`."""
    commands: list[dict[str, Any]] = []
    pending: list[int] = []
    for _ in range(dice.randrange(2, 8)):
        choice = dice.random()
        if choice < 0.35:
            commands.append(_command(dice, dice.choice(_PLAIN)))
        elif choice < 0.7:
            commands.append(_command(dice, dice.choice(_INCREMENTS)))
            expected[layer, key] += 1
        elif choice < 0.85 or layer == LAYERS - 1:
            pending.append(len(commands))
            commands.append(_command(dice, dice.choice(_AWAITED)))
        else:
            callee = dice.randrange(KEYS)
            pending.append(len(commands))
            nested = program(dice, layer + 1, str(callee), expected)
            commands.append({"kind": NEXT_LAYER, "key": callee, "program": nested})
    dice.shuffle(pending)
    commands += [{"kind": AWAIT, "index": index} for index in pending]
    return {"commands": commands}
