"""What people see: colours where they are wanted, times as they are said, watched listings."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest

from orchestrator.cli import times
from orchestrator.cli.output import Coloured, is_coloured, table_lines
from tests.unit.admin.world import World
from tests.unit.cli.printed import Printed

Perdure = Callable[..., Printed]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert is_coloured(Terminal()) and not is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(Terminal())


def test_a_table_is_as_wide_in_colours() -> None:
    rows = [("a", Coloured("bad one", "bad"), "x"), ("bb", Coloured("ok", "good"), None)]
    assert list(table_lines(rows, False)) == ["a   bad one  x", "bb  ok       -"]
    assert list(table_lines(rows, True)) == [
        "a   \x1b[31mbad one\x1b[0m  x",
        "bb  \x1b[32mok     \x1b[0m  -",
    ]


def test_columns_are_below_each_other_whatever_they_hold() -> None:
    rows = [("键", 1), ("e\N{COMBINING ACUTE ACCENT}", 2), ("ann", 3)]
    assert list(table_lines(rows, False)) == [
        "键   1",
        "e\N{COMBINING ACUTE ACCENT}    2",
        "ann  3",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 m"), (185, "3 m 5 s"), (3600, "1 h"), (3605, "1 h"),
     (90_061, "1 d 1 h"), (-5, "5 s")],
)  # fmt: skip
def test_lengths_of_time(seconds: int, said: str) -> None:
    assert times.span(seconds) == said


def test_times_are_said_from_now() -> None:
    def at(seconds: float) -> str:
        return (times.now() + timedelta(seconds=seconds)).isoformat()

    assert times.ago(at(-190)) == "3 m 10 s ago"
    assert times.ago(at(190.9)) == "in 3 m 10 s"
    assert times.since(at(-60)) == " since 1 m"
    assert times.ago(None) == "" and times.ago("no time") == "no time"


def test_a_listing_is_watched(
    server: World, perdure: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.cli.invocations.time.sleep", pause)
    server.query.rows = lambda sql: []
    for words, seconds in ((["--watch"], 2.0), (["--watch", "5"], 5.0)):
        pauses.clear()
        watched = perdure("invocations", "list", *words)
        assert watched.code == 130 and watched.out.count("no invocations") == 3
        assert pauses == [seconds] * 3
    answers = iter(([], None, []))
    server.query.rows = lambda sql: next(answers)
    pauses.clear()
    watched = perdure("invocations", "list", "--watch")
    assert watched.out.count("no invocations") == 2 and "cannot plan" in watched.err
