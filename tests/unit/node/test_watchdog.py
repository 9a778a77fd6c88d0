"""The watchdog ends a process whose loop stalls, and leaves one alone that does not."""

import subprocess
import sys

SCRIPT = """
import asyncio, sys, time
from orchestrator.node import watchdog
watchdog.BEAT_S = 0.05

async def main():
    dog = watchdog.Watchdog(asyncio.get_running_loop(), stall_ticks=4)
    dog.start()
    await asyncio.sleep(0.5)
    if sys.argv[1] == "stall":
        time.sleep(5)
    dog.stop()
    print("alive", flush=True)

asyncio.run(main())
"""


def run(what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, what]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_loop_that_answers() -> None:
    done = run("answer")
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_loop_that_stalls() -> None:
    done = run("stall")
    assert done.returncode == 70
    assert "PD0201" in done.stderr
    assert "alive" not in done.stdout
