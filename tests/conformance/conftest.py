"""Fixtures of the suite: one world a combination, shared by all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from tests.conformance.combinations import PERDURE, Combination, chosen
from tests.conformance.world import (
    Services,
    World,
    start_laboratory,
    start_services,
    start_world,
)
from tests.parts.client import Client
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.needed import needed

T = TypeVar("T")


def _named(name: str, of: Combination) -> str:
    """A part that is signed, or held at a version, is another one."""
    return f"{name}-{of.newest or 'any'}{'-signed' * of.signed}"


class Shelf:
    """Parts that combinations share: started on first use, stopped at the end of the session."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parts: dict[str, Services | Laboratory] = {}

    def _have(self, name: str, start: Callable[[Path], T]) -> T:
        if name not in self._parts:
            directory = self.directory / name
            directory.mkdir(parents=True)
            self._parts[name] = needed(name, lambda: start(directory))  # type: ignore[assignment]
        found = self._parts[name]
        if not found.process.alive:
            found.start()
        return found  # type: ignore[return-value]

    def services(self, of: Combination) -> Services:
        name = _named(of.services, of)
        start = partial(start_services, of.services, signed=of.signed, newest=of.newest)
        return self._have(name, start)

    def laboratory(self, of: Combination) -> Laboratory:
        kind = of.services
        sdk = kind if kind == "compat" or kind in PERDURE else "laboratory"
        name = _named(f"{sdk}-laboratory", of)
        return self._have(name, partial(start_laboratory, sdk, signed=of.signed, newest=of.newest))

    def close(self) -> None:
        for part in self._parts.values():
            part.stop()


def pytest_configure(config: pytest.Config) -> None:
    line = (
        "needs(*conditions): runs where the combination has them: faces, suspending, signed, "
        "kafka, a death"
    )
    config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that say nothing in a combination, so that a skip is a missing part."""
    left: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        call = getattr(item, "callspec", None)
        combination = call.params.get("running_world") if call else None
        if combination is None:
            kept.append(item)
            continue
        needs = [one for mark in item.iter_markers("needs") for one in mark.args]
        (kept if all(map(combination.has, needs)) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    yield shelf
    shelf.close()


@pytest.fixture(scope="session", params=chosen(), ids=lambda combination: combination.name)
def running_world(
    request: pytest.FixtureRequest, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    combination: Combination = request.param
    broker: KafkaBroker | None = None
    if combination.log == "kafka":
        broker = request.getfixturevalue("session_broker")
        if not broker.process.alive:
            broker.start()
    services, laboratory = shelf.services(combination), shelf.laboratory(combination)
    directory = tmp_path_factory.mktemp(combination.name)
    world = needed(
        combination.name,
        lambda: start_world(combination, directory, broker, services, laboratory),
    )
    yield world
    world.stop()


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    """The combination under test, whole again after a test that killed a part of it."""
    running_world.heal()
    yield running_world
    running_world.heal()


@pytest.fixture
def second(world: World) -> Iterator[Laboratory]:
    """Another version of some services, to be registered; after the test they are as before."""
    laboratory = world.second_laboratory()
    yield laboratory
    for deployment in world.client.admin_request("GET", "/deployments").json()["deployments"]:
        if deployment.get("uri", "").rstrip("/") == laboratory.uri:  # a function has none
            path = f"/deployments/{deployment['id']}?force=true"
            world.client.admin_request("DELETE", path).expect(202)
    world.client.register(world.laboratory.uri, force=True)


@pytest.fixture
def client(world: World) -> Client:
    return world.client


@pytest.fixture
def laboratory(world: World) -> Laboratory:
    return world.laboratory
