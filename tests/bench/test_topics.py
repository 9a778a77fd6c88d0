"""A small form of each cell of topics, on a real broker: what it counts is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bench import report, topics
from tests.bench.endpoints import UVICORN, Endpoint, endpoint
from tests.bench.results import Results
from tests.bench.systems import EMBEDDED, KAFKA, System
from tests.bench.topic_cells import TopicCell, topic_cells
from tests.bench.topics import TopicShape
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(120)
_SHAPE = TopicShape(
    partitions=1, records=200, keys=20, warmup_records=20, seconds=2.0, warmup_s=0.1, tries=1
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    serving = endpoint(UVICORN, tmp_path_factory.mktemp("services")).start()
    yield serving
    serving.stop()


@pytest.fixture(scope="module", params=[EMBEDDED, KAFKA])
def system(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    session_broker: KafkaBroker,
    serving: Endpoint,
) -> Iterator[System]:
    if not session_broker.process.alive:
        session_broker.start()
    system = System(request.param, tmp_path_factory.mktemp("system") / "s", session_broker).start()
    system.register(serving)
    yield system
    system.stop()


def test_the_warm_up_works_the_broker(session_broker: KafkaBroker) -> None:
    if not session_broker.process.alive:
        session_broker.start()
    share = topics.warm_up(session_broker.bootstrap, session_broker.pid, 0.3)
    assert 0 <= share < 1, "what compiles is not all that it does"


@pytest.mark.parametrize("cell", topic_cells([UVICORN]), ids=lambda cell: cell.flow_name)
def test_a_cell_of_topics_says_what_it_measured(
    cell: TopicCell, system: System, serving: Endpoint
) -> None:
    measured = topics.run(system, serving, cell, _SHAPE)
    assert (measured["errors"], measured["first_error"]) == (0, "")
    assert measured["completed"] > 0 and measured["server_cpu_us"] > 0
    assert 0 <= measured["compiled_percent"] <= 100
    if cell.in_flight:
        assert 0 < measured["p50_ms"] <= measured["p99_ms"]
    else:
        assert measured["completed"] == _SHAPE.records
        assert 0 <= measured["lag_records"] <= _SHAPE.records
    results = Results({})
    results.add(cell.name, system.name, measured)
    (_, _, row) = report.cell_table(results, cell.name)
    assert "–" not in row
