"""Where an attempt runs, and in which version."""

import pytest

from orchestrator.invoker.placing import Placement, Unplaced, place
from orchestrator.registry.schema import EMPTY
from tests.unit.invoker import samples

SPEAKS = b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":%d,"maxProtocolVersion":%d,'
SERVICES = b'"services":[{"name":"Svc","ty":"SERVICE","handlers":[{"name":"run"}]}]}'


@pytest.mark.parametrize(
    ("low", "high", "cap", "picked"),
    [(5, 7, 7, 7), (5, 7, 6, 6), (5, 7, 5, 5), (5, 5, 7, 5), (5, 6, 7, 6), (1, 9, 7, 7)],
)
def test_the_highest_version_both_speak(low: int, high: int, cap: int, picked: int) -> None:
    registry = samples.registry(manifest=SPEAKS % (low, high) + SERVICES)
    where = place(registry, samples.given(), cap)
    assert isinstance(where, Placement)
    assert (where.deployment.id, where.protocol) == ("dp_1", picked)


@pytest.mark.parametrize(("low", "high", "cap"), [(6, 7, 5), (7, 9, 6)])
def test_no_version_in_common(low: int, high: int, cap: int) -> None:
    registry = samples.registry(manifest=SPEAKS % (low, high) + SERVICES)
    where = place(registry, samples.given(), cap)
    assert isinstance(where, Unplaced) and where.restate_code == "RT0013"


def test_what_is_pinned_stays_whatever_the_cap() -> None:
    where = place(samples.registry(), samples.given(deployment="dp_1", protocol=7), 5)
    assert isinstance(where, Placement) and where.protocol == 7


def test_a_pinned_version_the_deployment_does_not_speak() -> None:
    registry = samples.registry(manifest=SPEAKS % (6, 7) + SERVICES)
    where = place(registry, samples.given(deployment="dp_1", protocol=5), 7)
    assert isinstance(where, Unplaced) and where.restate_code == "RT0014"


def test_a_pinned_deployment_without_a_version() -> None:
    where = place(samples.registry(), samples.given(deployment="dp_1"), 6)
    assert isinstance(where, Placement) and where.protocol == 6


def test_a_deployment_that_is_gone() -> None:
    where = place(samples.registry(), samples.given(deployment="dp_0", protocol=6), 7)
    assert isinstance(where, Unplaced) and where.restate_code == "RT0011"
    assert "dp_0" in where.message


def test_nobody_serves_it() -> None:
    where = place(EMPTY, samples.given(), 7)
    assert isinstance(where, Unplaced) and where.restate_code == "RT0011"


def test_a_handler_that_is_gone() -> None:
    manifest = (SPEAKS % (5, 7) + SERVICES).replace(b'"run"', b'"walk"')
    where = place(samples.registry(manifest=manifest), samples.given(), 7)
    assert isinstance(where, Unplaced) and where.restate_code == "RT0011"
