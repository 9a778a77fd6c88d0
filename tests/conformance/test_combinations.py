"""The rows that the suite runs over by itself have every pair of values, and of each death."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.conformance.combinations import (
    DEATHS,
    LOGS,
    MODES,
    PAIRWISE,
    PERDURE,
    PROTOCOLS,
    SDK_REFERENCE,
    SDK_SAMPLE,
    SERVICES,
    Combination,
)

Pair = tuple[object, object]
COLUMNS: dict[str, tuple[object, ...]] = {
    "mode": MODES,
    "protocol": PROTOCOLS,
    "services": SERVICES,
    "log": LOGS,
    "signed": (False, True),
    "explicit_routes": (False, True),
}


def _pairs_of(row: Combination) -> Iterator[Pair]:
    values = [(name, getattr(row, name)) for name in COLUMNS]
    yield from itertools.combinations(values, 2)
    deaths = [death for death in DEATHS if row.has(death)]
    yield from itertools.product(deaths, values)


def test_every_pair_is_in_some_row() -> None:
    columns = [[(name, value) for value in values] for name, values in COLUMNS.items()]
    wanted: set[Pair] = set()
    for one, other in itertools.combinations(columns, 2):
        wanted |= set(itertools.product(one, other))
    wanted |= set(itertools.product(DEATHS, itertools.chain.from_iterable(columns)))
    wanted.remove(("broker", ("log", "embedded")))
    assert wanted == {pair for row in PAIRWISE for pair in _pairs_of(row)}


def test_our_sdk_dies_on_every_server_and_outlives_every_death() -> None:
    assert {row.services for row in SDK_SAMPLE} == {*PERDURE, "compat"} - {"perdure-lambda"}
    assert all(row.has("services") for row in SDK_SAMPLE)
    died = {death for row in SDK_SAMPLE for death in row.deaths}
    assert died == set(DEATHS) - {"broker"}


def test_every_transport_and_version_meets_a_restate_server() -> None:
    met = {(row.services, row.protocol) for row in SDK_REFERENCE}
    assert met >= set(itertools.product(PERDURE, PROTOCOLS))
    assert {row.mode for row in SDK_REFERENCE} == set(MODES)
