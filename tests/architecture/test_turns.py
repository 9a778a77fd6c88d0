"""The order of a run of all tests: what waits and what computes begin side by side."""

import re

from tests.architecture.sources import ROOT
from tests.parts.turns import COMPUTING, WAITING, needs_no_broker, turn_of


def test_the_rooms_of_the_order_exist() -> None:
    assert [room for room in (*WAITING, *COMPUTING) if not (ROOT / room).is_dir()] == []


def test_what_waits_comes_first_and_the_longest_of_what_computes_last() -> None:
    tests = (
        "tests/conformance/test_kill.py::test_a[x]",
        "tests/e2e/test_life.py::test_b",
        "tests/sdk/test_served.py::test_c",
        "tests/unit/machine/test_kill.py::test_d",
        "tests/sdk/unit/test_replay.py::test_e",
        "tests/simulation/test_mutants.py::test_f",
    )
    turns = [turn_of(test) for test in tests]
    assert turns == sorted(set(turns))


def test_nobody_asks_for_a_broker_that_was_ended() -> None:
    asked = re.compile(r"\b(session_)?broker: KafkaBroker[,)]")
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.name.startswith("test_")]
    names = [path.relative_to(ROOT).as_posix() for path in tests if asked.search(path.read_text())]
    assert len(names) > 10
    assert [name for name in names if needs_no_broker(name)] == []
