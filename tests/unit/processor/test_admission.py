"""Why work is refused while a server starts: also what its log waits for."""

from types import SimpleNamespace
from typing import Any

from orchestrator.log.port import Health
from orchestrator.processor.admission import Admission
from orchestrator.processor.options import ProcessorOptions

WAITS = "Kafka at b:9092: no broker answers"


def door(health: Health) -> Admission:
    log: Any = SimpleNamespace(health=lambda: health)
    scheduler: Any = SimpleNamespace(time_s=lambda: 0.0)
    return Admission(log, scheduler, ProcessorOptions(), list)


def test_a_server_that_starts_says_what_it_waits_for() -> None:
    waiting = door(Health(False, WAITS))
    assert waiting.shut() == ""
    waiting.shut_reason = "this server is starting"
    assert waiting.shut() == f"this server is starting: {WAITS}"
    assert waiting.reason(Any) == waiting.shut()  # type: ignore[arg-type]  # whichever partition


def test_a_log_that_is_there_adds_nothing() -> None:
    for health in (Health(True), Health(False)):
        ready = door(health)
        ready.shut_reason = "this server is starting"
        assert ready.shut() == "this server is starting"
