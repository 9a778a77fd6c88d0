"""What holds for every suite: workers take whole modules, one broker serves all suites of a worker,
and the last lines of a run say what could not be run; in CI that is a failure."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.parts.turns import needs_no_broker, turn_of

if TYPE_CHECKING:
    from tests.parts.kafka import KafkaBroker

# Hundreds of processes are started here: each would compile the whole server anew, which is half of
# its start, where the environment says that no bytecode is written.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes is up to whatever else the machine does.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

_BROKER = pytest.StashKey["KafkaBroker"]()


@pytest.hookimpl(optionalhook=True)  # it is xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.parts.workers import WholeUnits

    return WholeUnits(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: to look for garbage in it takes a quarter as long again,
    in every worker."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    broker = item.config.stash.get(_BROKER, None)
    if broker is not None and broker.process.alive and needs_no_broker(item.nodeid):
        broker.kill()


@pytest.fixture(scope="session")
def session_broker(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[KafkaBroker]:
    """A real broker, which tests may have killed; its rules of access are set by tests."""
    from tests.parts.kafka import KafkaBroker
    from tests.parts.kafka_rights import AUTHORIZER
    from tests.parts.needed import needed

    directory = tmp_path_factory.mktemp("kafka")
    broker = needed("a Kafka broker", lambda: KafkaBroker(directory, AUTHORIZER).start())
    pytestconfig.stash[_BROKER] = broker
    yield broker
    broker.stop()


@pytest.fixture
def broker(session_broker: KafkaBroker) -> KafkaBroker:
    """The same, running."""
    if not session_broker.process.alive:
        session_broker.start()
    return session_broker


def _skipped(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped for each reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = [] if reporter is None else reporter.stats.get("skipped", [])
    return Counter(_reason(report) for report in reports)


def _reason(report: pytest.TestReport) -> str:
    where = report.longrepr
    text = where[2] if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("CI") and exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skipped = _skipped(config)
    if not skipped:
        return
    terminalreporter.section("not run")
    for reason, count in sorted(skipped.items()):
        terminalreporter.line(f"{count} tests: {reason}")
    if os.environ.get("CI"):
        terminalreporter.line("CI runs every test: that is a failure")
