"""Names and numbers of docs/kafka.md are those of the code; its lines are run by tests/deploy."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

import pytest

from orchestrator.admin.dead_letters import NO_LETTER, NOT_LIKE_THIS
from orchestrator.brokers.facts_port import UNDECIDED
from orchestrator.brokers.kafka.configs import TRANSACTION_MS
from orchestrator.intake import headers
from orchestrator.intake.reading import HELD_RECORDS_MAX
from orchestrator.intake.term import HELD_BYTES_MAX, LETTER_BYTES_MAX
from orchestrator.model import topics
from orchestrator.model.codes import CODES
from orchestrator.model.limits import FEED_LANE_BYTES_MAX
from orchestrator.node.ingress_topic import PARTITIONS
from orchestrator.outbox.given import MISSING_S, NO_PARTITION_S
from orchestrator.outbox.topics import LANES_MAX, QUIET_S, ROWS_MAX
from orchestrator.registry.errors import RegistryError
from orchestrator.registry.subscribe import MAX_IN_FLIGHT_DEFAULT
from tests.architecture.sources import ROOT

PAGE = Path(ROOT / "docs" / "kafka.md").read_text()
ROW = re.compile(r"^\| \[(\w+)\]\(([\w/.]+)\) \| (\d+) \|", re.MULTILINE)
# Of rooms that say by themselves which status a code has.
ELSEWHERE = {"PD0601": 400, "PD0602": 503, "PD0603": 400, "PD0604": 400, "PD0605": 400}
LANES_WAIT = {UNDECIDED}  # no answer, but the reason of lanes
ELSEWHERE |= {NO_LETTER: 404, NOT_LIKE_THIS: 422}


def test_every_code_of_topics_is_there_with_its_status() -> None:
    rows = {code: int(status) for code, _, status in ROW.findall(PAGE)}
    assert {code for code in CODES if code.startswith("PD06")} - LANES_WAIT <= set(rows)
    assert all(f"(errors/{code}.md)" in PAGE for code in LANES_WAIT)
    for code, status in rows.items():
        assert status == ELSEWHERE.get(code, RegistryError(code, "").status), code
        assert HTTPStatus(status)
    for _, page, _ in ROW.findall(PAGE):
        assert (ROOT / "docs" / page).is_file()


def test_every_reason_of_a_dead_letter_is_there() -> None:
    (text,) = re.findall(r"^Reasons of dead letters: (.*?)\n\n?(?:#|\Z)", PAGE + "#", re.S | re.M)
    reasons = {
        value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)
    }
    assert set(re.findall(r"`(\w+)`", text)) == reasons


def test_every_header_that_acts_is_there() -> None:
    named = [value for name, value in vars(headers).items() if name.isupper()]
    acting = {name for name in named if isinstance(name, str)} | set(headers.CORRELATION)
    assert len(acting) > 7
    assert {name for name in acting if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize(
    "said",
    [
        f"{MAX_IN_FLIGHT_DEFAULT} for each partition if nothing is said",
        f"{MISSING_S:.0f} s",
        f"no such partition after {NO_PARTITION_S:.0f} s",
        f"{TRANSACTION_MS // 1000} seconds",
        f"{LETTER_BYTES_MAX >> 20} MiB of dead letters",
        f"{FEED_LANE_BYTES_MAX >> 20} MiB in one partition",
        f"{PARTITIONS} partitions",
        f"by {HELD_RECORDS_MAX} records or {HELD_BYTES_MAX >> 20} MiB",
        f"{QUIET_S:.0f} s of quiet",
        f"{ROWS_MAX:,} records of each of up to {LANES_MAX} topics",
    ],
)
def test_a_number_is_that_of_the_code(said: str) -> None:
    assert said in PAGE
