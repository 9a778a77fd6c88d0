"""The backlog of a topic in small form: the same bars, and then all of it is worked off."""

import pytest

from tests.scale import backlog

TRIES = 2  # others that use the same processor may spoil one


@pytest.mark.timeout(300)
def test_a_backlog_costs_others_little() -> None:
    said: list[str] = []
    held = any(backlog.run(backlog.SMALL, said.append) for _ in range(TRIES))
    assert held, said
