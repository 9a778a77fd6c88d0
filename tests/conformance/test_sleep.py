"""Durable sleeps: never too short, many at once, across crashes."""

from __future__ import annotations

import random
import time
from functools import partial

from tests.parts.client import Client, at_once, fresh

INTERPRETER = "VirtualObjectCommandInterpreter"


def sleep(milliseconds: int) -> dict[str, object]:
    return {"type": "sleep", "timeoutMillis": milliseconds}


def test_a_sleep_lasts_at_least_its_time(client: Client) -> None:
    started = time.monotonic()
    target = (INTERPRETER, fresh(), "interpretCommands")
    result = client.call(target, {"commands": [{"type": "awaitOne", "command": sleep(300)}]})
    assert result == "sleep"
    assert time.monotonic() - started >= 0.3


def test_many_sleeps_in_many_invocations(client: Client) -> None:
    def invocation(seed: int) -> None:
        random_ms = random.Random(seed)
        sleeps = [sleep(random_ms.randint(10, 50)) for _ in range(20)]
        target = (INTERPRETER, fresh(), "interpretCommands")
        command = {"type": "awaitAllCompleted", "commands": sleeps}
        result = client.call(target, {"commands": [command]}, timeout_s=60)
        assert result == "|".join(["ok:sleep"] * 20)

    at_once([partial(invocation, seed) for seed in range(25)], threads=25)
