"""The example that goes from a topic to a topic, on a broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.e2e.conftest import client_of
from tests.parts.cache import REPOSITORY
from tests.parts.kafka import KafkaBroker
from tests.parts.perdure_services import PerdureServices
from tests.parts.server import PerdureServer
from tests.parts.topics import Topics, subscribe


@pytest.mark.timeout(180)
def test_each_order_is_shipped_once(
    topic_server: PerdureServer, session_broker: KafkaBroker, topics: Topics, tmp_path: Path
) -> None:
    names = ("orders", "shipments", "backorders")
    admin = AdminClient({"bootstrap.servers": session_broker.bootstrap})
    for made in admin.create_topics([NewTopic(name, 1) for name in names]).values():
        made.result()
    file = str(REPOSITORY / "examples" / "orders.py")
    services = PerdureServices("own", tmp_path, app=file).start()
    try:
        client = client_of(topic_server)
        client.register(services.uri)
        assert client.call(("Stock", "pen", "refill"), 5) == 5
        for number in range(3):
            order = {"id": f"o{number}", "sku": "pen", "count": 2}
            topics.produce("orders", order["id"].encode(), json.dumps(order).encode())
        subscribe(topic_server, "orders", "orders/take")
        shipped = [json.loads(one.value()) for one in topics.read("shipments", 2)]
        # Keys differ, so the three run beside each other: two of them fit, whichever.
        assert [one["left"] for one in shipped] in ([3, 1], [1, 3])
        (refused,) = topics.read("backorders", 1)
        assert dict(refused.headers())["reason"].startswith(b"pen: ")
        asked = {one["order"] for one in shipped} | {json.loads(refused.value())["id"]}
        assert asked == {"o0", "o1", "o2"}
    finally:
        services.stop()
