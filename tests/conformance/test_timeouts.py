"""Services that do not answer: asked to suspend, then aborted and tried again."""

from __future__ import annotations

from tests.parts.client import Client, fresh
from tests.parts.laboratory import Laboratory


def test_an_attempt_that_hangs_is_aborted(client: Client, laboratory: Laboratory) -> None:
    name = fresh()
    assert client.call(("Stubborn", "hangOnce"), name) == "second"
    assert len(laboratory.marks(name)) == 2


def test_a_slow_step_outlives_the_inactivity_timeout(
    client: Client, laboratory: Laboratory
) -> None:
    name = fresh()
    assert client.call(("Stubborn", "slowStep"), name) == "slept"
    assert len(laboratory.marks(name)) == 1
