"""Health, versions, queries, what is not served, and errors that are never tracebacks."""

import asyncio
import gzip
import http.client
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from orchestrator.admin import streaming
from orchestrator.log.port import LogCorrupt
from orchestrator.model.records import Kill
from orchestrator.processor.port import Unavailable
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import URI, BadQuery, ScriptedAnswer, World, world
from tests.unit.machine.bench import uid

SELECT_1 = (
    b"POST /query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 21\r\n"
    b'content-type: application/json\r\n\r\n{"query": "SELECT 1"}'
)


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        yield made


def test_health_follows_the_engine(it: World) -> None:
    healthy = it.ask("GET", "/health")
    assert (healthy.status, healthy.body) == (200, b"")
    it.engine.closed = "the disk is full"
    ill = it.ask("GET", "/health")
    assert ill.status == 503 and ill.json == {
        "message": "the disk is full",
        "restate_code": "PD0706",
    }
    assert "retry-after" in ill.headers


def test_version(it: World) -> None:
    found = it.ask("GET", "/version").json
    assert found["version"] == "1.7.12" and found["perdure_version"]
    assert (found["min_admin_api_version"], found["max_admin_api_version"]) == (2, 4)
    assert found["ingress_endpoint"] == "http://127.0.0.1:8080/" and found["features"] == {}


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
def test_every_version_serves_the_routes(it: World, prefix: str) -> None:
    assert it.ask("GET", f"{prefix}/services").status == 200
    assert it.ask("GET", f"{prefix}/cluster-health").json == {
        "cluster_name": "perdure",
        "metadata_cluster_health": {"members": [1]},
    }


def test_version_one_is_gone(it: World) -> None:
    assert it.ask("GET", "/v1/services").status == 400
    assert it.ask("GET", "/v5/services").status == 404


def test_queries(it: World) -> None:
    it.query.rows = lambda sql: [{"n": 1}] if sql == "SELECT 1" else None
    asked = {"query": "SELECT 1"}
    answer = it.ask("POST", "/query", asked, {"accept": "application/json"})
    assert answer.status == 200 and answer.json == {"rows": [{"n": 1}]}
    assert answer.headers["content-type"] == "application/json"
    arrow = it.ask("POST", "/query", asked)
    assert arrow.body == b"ARROW"
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    bad = it.ask("POST", "/query", {"query": "SELEC"}, {"accept": "application/json"})
    assert bad.status == 400 and bad.json["message"] == "cannot plan SELEC"
    assert it.ask("POST", "/query", {}).status == 400


def test_a_partial_answer_is_marked(it: World) -> None:
    it.query.rows = lambda sql: [{"n": 1}]
    asked = {"query": "SELECT 1"}
    whole = it.ask("POST", "/query", asked, {"accept": "application/json"})
    assert "x-perdure-missing-partitions" not in whole.headers
    it.query.missing = {3: "it is being restored", 1: "it has no leader yet"}
    answer = it.ask("POST", "/query", asked, {"accept": "application/json"})
    assert answer.status == 200 and answer.headers["x-perdure-missing-partitions"] == "1,3"


def test_a_query_that_fails_after_its_first_part_is_broken_off(
    it: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> AsyncGenerator[bytes]:
        yield b"some"
        raise BadQuery("a partition was lost")

    it.query.arrow = lambda sql: ScriptedAnswer(failing(), {})  # type: ignore[method-assign]
    with pytest.raises(http.client.IncompleteRead):
        it.ask("POST", "/query", {"query": "SELECT 1"})
    assert "a partition was lost" in caplog.text and "Traceback" not in caplog.text
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_query_ends_when_its_client_goes_away_before_the_first_row(it: World) -> None:
    ended = threading.Event()

    async def slow() -> AsyncGenerator[bytes]:
        try:
            await asyncio.sleep(60)
            yield b""
        finally:
            ended.set()

    it.query.arrow = lambda sql: ScriptedAnswer(slow(), {})  # type: ignore[method-assign]
    client = socket.create_connection(("127.0.0.1", it.port))
    client.sendall(SELECT_1)
    assert not ended.wait(0.2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert ended.wait(10)


@pytest.mark.parametrize("is_known", [False, True])
def test_what_is_not_known_is_not_listed(it: World, is_known: bool) -> None:
    """Before the metadata were read, and once they cannot be followed any more."""
    it.metadata._is_known = is_known
    if is_known:
        it.metadata._ended(LogCorrupt("it has not been read"))
    for method, path in (
        ("GET", "/deployments"),
        ("GET", "/deployments/dp_1"),
        ("GET", "/services"),
        ("GET", "/services/Greeter"),
        ("POST", "/deployments"),
    ):
        answer = it.ask(method, path, {"uri": URI} if method == "POST" else None)
        assert answer.status == 503, (method, path, answer)
        assert "not been read" in answer.json["message"] and "retry-after" in answer.headers


def test_a_query_ends_when_its_client_takes_nothing(
    it: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "TAKE_S_MAX", 0.3)
    ended = threading.Event()

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield os.urandom(1 << 20)
        finally:
            ended.set()

    it.query.arrow = lambda sql: ScriptedAnswer(endless(), {})  # type: ignore[method-assign]
    with socket.create_connection(("127.0.0.1", it.port)) as client:
        client.sendall(SELECT_1)
        assert ended.wait(10)
    assert "took nothing for 0.3 s" in caplog.text
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_queries_without_the_extra() -> None:
    with world(with_query=False) as made:
        answer = made.ask("POST", "/query", {"query": "SELECT 1"})
        assert answer.status == 501 and "perdure-server[sql]" in answer.json["message"]


def test_large_answers_are_compressed_when_asked(it: World) -> None:
    plain = it.ask("GET", "/openapi")
    packed = it.ask("GET", "/openapi", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == plain.json


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/subscriptions", 200),
        ("GET", "/subscriptions?sink=x", 200),
        ("POST", "/subscriptions", 400),
        ("GET", "/subscriptions/sub_1", 404),
        ("DELETE", "/subscriptions/sub_1", 404),
        ("GET", "/kafka-clusters", 200),
        ("POST", "/kafka-clusters", 400),
        ("PATCH", "/kafka-clusters/x", 400),
        ("PUT", "/limits/rules", 501),
        ("POST", "/limits/rules/bulk-delete", 501),
        ("GET", "/nothing", 404),
        ("GET", "/services/", 404),
        ("DELETE", "/services", 405),
        ("GET", "/", 404),
    ],
)
def test_what_is_not_served(it: World, method: str, path: str, status: int) -> None:
    answer = it.ask(method, path)
    assert answer.status == status
    if status != 200:
        assert answer.json["message"]


def test_an_engine_that_takes_nothing(it: World) -> None:
    path = f"/invocations/{invocation_id_to_str(uid(1))}/kill"
    it.engine.refuse = Unavailable("no leader", kept=False)
    assert it.ask("PATCH", path).status == 503
    it.engine.refuse = Unavailable("no answer", kept=True)
    unknown = it.ask("PATCH", path)
    assert unknown.status == 500 and "not known" in unknown.json["message"]
    assert [type(one) for one in it.engine.operations] == [Kill, Kill]


def test_a_bug_is_not_shown(it: World, caplog: pytest.LogCaptureFixture) -> None:
    def broken(operation: object, on_answer: object) -> None:
        raise ZeroDivisionError("secret")

    it.engine.operate = broken  # type: ignore[method-assign]
    answer = it.ask("PATCH", f"/invocations/{invocation_id_to_str(uid(1))}/kill")
    assert answer.status == 500 and "secret" not in answer.json["message"]
    assert "secret" in caplog.text


@pytest.mark.parametrize("base", ["/", "//", "//v3/", "/v3//"])
def test_a_base_url_may_end_in_a_slash(it: World, base: str) -> None:
    assert it.ask("GET", f"{base}services").status == 200
    assert it.ask("GET", f"{base}%2Fservices").status == 404
    assert it.ask("GET", f"/%2f{base}services").status == 404


def test_head_is_answered_where_get_is_and_other_methods_are_told_which_are(it: World) -> None:
    head = it.ask("HEAD", "/services")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == it.ask("GET", "/services").headers["content-length"]
    refused = it.ask("POST", "/deployments/dp_1", {})
    assert (refused.status, refused.headers["allow"]) == (405, "DELETE, GET, HEAD, PATCH, PUT")
    assert "use DELETE, GET" in refused.json["message"]
    assert it.ask("HEAD", "/query").headers["allow"] == "POST"
