"""The ports of the tests: given once, whichever of the suites' processes asks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.parts import processes

TAKES = """
import sys
from tests.parts import processes
processes._PORTS = range(27_980, 28_000)
print(*(processes.free_port() for _ in range(10)), flush=True)
sys.stdin.read()
"""


def test_a_port_is_given_to_one_process_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on a port before the server that it is for has started."""
    command = [sys.executable, "-c", TAKES]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None
    assert other.stdout is not None
    with other:
        theirs = {int(port) for port in other.stdout.readline().split()}
        monkeypatch.setattr(processes, "_PORTS", range(27_980, 28_000))
        ours: set[int] = set()
        with pytest.raises(RuntimeError, match="no free port"):
            for _ in range(11):
                ours.add(processes.free_port())
        other.stdin.close()
    assert len(theirs) == 10
    assert not theirs & ours
    # What a process that ended was given is free again.
    assert processes.free_port() in theirs
