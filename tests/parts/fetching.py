"""Fetches what the tests need from registries, several parts at a time.

`make test` runs it while types are checked. What cannot be had is left to the tests, which say so.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.parts import compat_services, other_pythons, typescript_services, wheels
from tests.parts.cache import PartUnavailable
from tests.parts.java_program import JavaProgram, restate_jars
from tests.parts.kafka import kept_classes
from tests.parts.kafka_tools import kafka_tools

AT_ONCE = 4


def _kafka() -> None:
    kept_classes()
    kafka_tools()


def _java() -> None:
    JavaProgram("Outsider")
    JavaProgram("Requester", with_spring=True)
    restate_jars()


def _wheels() -> None:
    wheels.agents()
    wheels.pyright()


def _charts() -> None:
    wheels.helm()
    wheels.compose_spec()


def _typescript() -> None:
    typescript_services.sources()


def _python() -> None:
    compat_services.sources()


def _other_pythons() -> None:
    for version in other_pythons.interpreters():
        other_pythons.needs_of(version)


# Those of the first tests first. A line of them begins with what its others need.
LINES: tuple[Callable[[], object], ...] = (
    _kafka,
    _typescript,
    _python,
    _wheels,
    _charts,
    _java,
    _other_pythons,
)


def main() -> None:
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(line) for line in LINES]):
            if isinstance(error := done.exception(), PartUnavailable):
                print(f"not fetched: {str(error).splitlines()[0]}", flush=True)
            elif error is not None:
                raise error


if __name__ == "__main__":
    main()
