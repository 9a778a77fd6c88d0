"""A broker cluster that does not answer, and is deleted while something is to be sent to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import eventually, fresh, http_request
from tests.parts.processes import free_port
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

pytestmark = pytest.mark.timeout(180)
HEADERS = {"content-type": "application/json"}


def test_what_waits_for_brokers_that_are_away_says_so_and_is_kept(tmp_path: Path) -> None:
    server = PerdureServer(tmp_path / "server", ServerOptions(cluster=fresh("b"))).start()
    try:
        client = client_of(server)
        options = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
        asked = {"name": "away", "properties": options}
        refused = client.admin_request("POST", "/kafka-clusters", asked).expect(503)
        assert refused.json()["restate_code"] == "PD0602" and "force" in refused.text
        client.admin_request("POST", "/kafka-clusters", {**asked, "force": True}).expect(201)
        client.send(("Kafka", "send"), {"topic": "bills", "key": "k", "value_text": "paid"})

        def waits() -> None:
            (lane,) = client.query("SELECT * FROM sys_lane")
            assert (lane["cluster"], lane["topic"], lane["rows"]) == ("away", "bills", 1)
            assert lane["status"] == "retrying" and lane["reason"]
            known = client.admin_request("GET", "/kafka-clusters/away").expect(200).json()
            assert known["reason"] == lane["reason"]

        eventually(waits, 60)
        http_request(server.admin, "DELETE", "/kafka-clusters/away", timeout_s=90).expect(202)
        (letter,) = client.query("SELECT * FROM sys_dead_letter")
        assert (letter["reason"], letter["kind"]) == ("lane_closed", "send")
        assert (letter["topic"], letter["value_utf8"]) == ("bills", "paid")
        bad = json.dumps({"topic": "no topic"}).encode()
        http_request(server.ingress, "POST", "/Kafka/send", bad, HEADERS).expect(400)
        client.send(("Kafka", "send"), {"topic": "no topic"})

        def is_kept() -> None:
            found = client.query("SELECT * FROM sys_dead_letter WHERE reason = 'bad_request'")
            assert [one["value_utf8"] for one in found] == ['{"topic": "no topic"}']

        eventually(is_kept)
    finally:
        server.stop()
