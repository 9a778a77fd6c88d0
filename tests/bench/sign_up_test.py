"""`python -m tests.bench.sign_up_test`: what the sign-up test costs on an engine of its own, with a
click six days later, and what a thousand of them leave behind in one process."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import threading
import time
from datetime import timedelta

from perdure.testing import Env
from tests.sdk import served_app as services

WARM = 5


async def sign_up() -> None:
    """One test, start and end of its engine included."""
    async with Env(services.app) as env:
        user = services.User("ann", "ann@example.org")
        handle = await env.client.workflow(services.signup, "ann").submit(user)
        await env.skip(timedelta(days=6))
        await env.client.call(services.click, services._mails[user.email], key="ann")
        assert await handle.result() is True


def _left() -> dict[str, int]:
    gc.collect()
    return {
        "objects": len(gc.get_objects()),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "resident KiB": int(open("/proc/self/statm").read().split()[1]) * 4,
    }


async def _measure(count: int) -> None:
    for _ in range(WARM):
        await sign_up()
    before, wall, cpu = _left(), [], []
    for _ in range(count):
        began_s, cpu_s = time.perf_counter(), time.process_time()
        await sign_up()
        wall.append(time.perf_counter() - began_s)
        cpu.append(time.process_time() - cpu_s)
    for name, found in (("wall", wall), ("CPU", cpu)):
        found.sort()
        middle, most = found[len(found) // 2] * 1000, found[-1] * 1000
        print(f"{name:4} ms of a test: {middle:6.1f} in the middle, {most:6.1f} at most")
    print("left behind:", {name: now - before[name] for name, now in _left().items()})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sign_up_test", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    asyncio.run(_measure(parser.parse_args().count))


if __name__ == "__main__":
    main()
