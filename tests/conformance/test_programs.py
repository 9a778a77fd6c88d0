"""Random programs under random kills: in the end every counter is exact."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from functools import partial

from tests.conformance.programs import KEYS, LAYERS, Counters, program
from tests.conformance.world import World
from tests.parts.client import Client, at_once, eventually, fresh, in_background

PROGRAMS = int(os.environ.get("PERDURE_PROGRAMS", "40"))
KILLS = int(os.environ.get("PERDURE_PROGRAM_KILLS", "3"))


def submit(client: Client, salt: str, key: str, commands: object, seed: int) -> None:
    """One send, repeated with one idempotency key until it is accepted."""

    def once() -> None:
        target = ("ObjectInterpreterL0", key, "interpret")
        client.send(target, commands, key=f"{salt}-{seed}", timeout_s=10.0)

    eventually(once, 60.0)
    time.sleep(0.02)


def read(client: Client, layer: int, key: str) -> int:
    target = (f"ObjectInterpreterL{layer}", key, "counter")
    value: int = eventually(lambda: client.call(target, timeout_s=10.0), 30.0)
    return value


def test_counters_are_exact_after_kills(world: World) -> None:
    dice = random.Random(world.combination.name)
    client, salt = world.client, fresh("programs")
    keys = [(layer, str(key)) for layer in range(LAYERS) for key in range(KEYS)]
    before = {(layer, key): read(client, layer, key) for layer, key in keys}
    expected: Counters = Counter()
    submissions = []
    for seed in range(PROGRAMS):
        key = str(dice.randrange(KEYS))
        commands = program(dice, 0, key, expected)
        submissions.append(partial(submit, client, salt, key, commands, seed))
    load = in_background(lambda: at_once(submissions, threads=4))

    for number in range(KILLS):
        time.sleep(dice.uniform(0.1, 0.6))
        victim = world.server if number % 2 == 0 else world.services
        victim.kill()
        victim.restart()
    load.result(90.0)

    def exact() -> None:
        found = {(layer, key): read(client, layer, key) for layer, key in keys}
        gained = {place: found[place] - before[place] for place in keys}
        assert gained == {place: expected[place] for place in keys}

    eventually(exact, 90.0)
