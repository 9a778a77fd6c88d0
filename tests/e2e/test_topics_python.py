"""`ctx.kafka` of the Python SDK, over a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import client_of
from tests.parts.client import Client, fresh
from tests.parts.perdure_services import PerdureServices
from tests.parts.server import PerdureServer
from tests.parts.topics import Topics

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def client(
    topic_server: PerdureServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("topics-python")
    services = PerdureServices("own", directory, app="tests.sdk.topics_app:app").start()
    client = client_of(topic_server)
    client.register(services.uri)
    yield client
    services.stop()


def test_records_are_written_once_and_in_order(client: Client, topics: Topics) -> None:
    topic, key = topics.make(1), fresh()
    answer = client.call(("Writer", key, "write"), topic)
    found = topics.read(topic, 3)
    assert [one.value() for one in found] == [b'{"first":"%b"}' % key.encode(), b"\xff", b"last"]
    assert {one.key() for one in found} == {key.encode()}
    assert found[0].headers() == [("h", b"1"), ("n", None)]
    assert answer == {"topic": topic, "partition": 0, "offset": found[2].offset()}


def test_plain_handlers_write_alike(client: Client, topics: Topics) -> None:
    topic = topics.make(1)
    answer = client.call(("Writer", fresh(), "write_plainly"), topic)
    assert [one.value() for one in topics.read(topic, 2)] == [b"first", b"[1,2]"]
    assert answer["topic"] == topic


def test_what_cannot_be_written_is_a_terminal_failure(client: Client, topics: Topics) -> None:
    code, message = client.call(("Writer", fresh(), "refused"), topics.make(1))
    assert code == 400
    assert "partition" in message
