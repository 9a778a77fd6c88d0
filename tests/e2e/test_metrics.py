"""What Prometheus scrapes from a real server: every metric of the table, and true numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.runtime.metrics import TABLE
from tests.e2e.conftest import client_of
from tests.parts.client import http_request
from tests.parts.laboratory import Laboratory
from tests.parts.server import PerdureServer

# They have no number before something went wrong, without subscriptions, or only while a store is
# restored.
RARE = {
    "perdure_headers_left_out_total",
    "perdure_restore_progress_ratio",
    "perdure_subscription_lag_records",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PerdureServer]:
    server = PerdureServer(tmp_path).start()
    yield server
    server.stop()


def scraped(server: PerdureServer) -> tuple[set[str], dict[str, float]]:
    """The names described, and the samples by name and labels."""
    address = server.admin.removeprefix("http://")
    text = http_request(address, "GET", "/metrics").expect(200).body.decode()
    described = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    samples = {
        one.name + "".join(f" {value}" for value in one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    return described, samples


def test_a_scrape_has_the_names_of_the_table_and_numbers_for_them(
    server: PerdureServer, laboratory: Laboratory
) -> None:
    client = client_of(server)
    client.register(laboratory.uri)
    described, before = scraped(server)
    assert described == {one.name for one in TABLE}
    for _ in range(3):
        client.call(("Front", "greet"), "Ann")
    client.post(("Killing", "fail"), "Bob")
    assert client.query("SELECT 1 AS one") == [{"one": 1}]
    _, after = scraped(server)
    names = {re.sub(r"_(bucket|sum|count)$", "", name.split()[0]) for name in after}
    assert {one.name for one in TABLE} - RARE <= names
    assert after["perdure_ingress_requests_total 200"] >= 3
    assert after["perdure_invocations_ended_total Front greet succeeded"] == 3
    assert after["perdure_attempts_total completed"] == 6
    assert after["perdure_invocations_ended_total Killing fail failed"] == 1
    assert after["perdure_attempt_failures_total RT0007"] == 3
    assert after["perdure_attempt_retries_total"] == 2
    assert (
        sum(count for name, count in after.items() if name.startswith("perdure_queries_total")) == 1
    )
    assert after["perdure_append_seconds_count"] > before["perdure_append_seconds_count"]
    assert after["perdure_applied_records_total"] > before["perdure_applied_records_total"]
    assert after["perdure_partitions leading"] == 4
    assert after["process_resident_memory_bytes"] > 20e6
    assert after["process_open_fds"] < after["process_max_fds"]
    assert after["perdure_loop_lag_seconds_count"] > 0
