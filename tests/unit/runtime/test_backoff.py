"""Pauses double, up to a limit, however many failures there were."""

from pathlib import Path

from orchestrator.runtime.backoff import backoff_s

ROOM = Path(__file__).resolve().parents[3] / "orchestrator"


def test_each_pause_is_twice_the_one_before_up_to_the_limit() -> None:
    pauses = [backoff_s(0.05, 1.0, count) for count in range(7)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff_s(0.05, 1.0, 1_000_000) == 1.0


def test_nobody_else_doubles_a_pause() -> None:
    copies = [
        path.name
        for path in ROOM.rglob("*.py")
        if "2 ** min(" in path.read_text() or "2.0 ** min(" in path.read_text()
    ]
    assert copies == ["backoff.py"]
