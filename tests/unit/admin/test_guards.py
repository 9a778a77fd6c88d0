"""What a web page, a slow client or a large body can do to the admin API: nothing."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from orchestrator.admin import limits
from orchestrator.admin.hosts import host_of, is_loopback
from orchestrator.admin.ports import AdminOptions
from orchestrator.admin.state_changes import INLINE_BYTES_MAX
from tests.unit.admin.world import World, world

STATE = {"object_key": "k", "new_state": {"n": [49]}}


@pytest.fixture(scope="module")
def it() -> Iterator[World]:
    with world(AdminOptions(hosts=frozenset({"perdure.internal"}))) as made:
        made.register()
        yield made


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["localhost", "app.localhost:9070", "127.0.0.1:1", "127.9.9.9", "[::1]:9070",
                 "LOCALHOST", "perdure.internal:80", "Perdure.Internal."]
    )  # fmt: skip
    def test_names_it_answers_to(self, it: World, host: str) -> None:
        assert it.ask("GET", "/version", headers={"host": host}).status == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:9070", "localhost.evil.example", "10.0.0.1", "",
                 "127.0.0.1.evil.example", "a@b@localhost.evil", "[::1"]
    )  # fmt: skip
    def test_names_it_does_not(self, it: World, host: str) -> None:
        refused = it.ask("GET", "/version", headers={"host": host})
        assert refused.status == 403 and "PERDURE_ADMIN_HOSTS" in refused.json["message"]

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost.evil"])
    def test_pages_that_may_not(self, it: World, origin: str) -> None:
        done = it.ask("POST", "/services/Counter/state", STATE, {"origin": origin})
        assert done.status == 403
        assert it.engine.operations == []

    @pytest.mark.parametrize("origin", ["http://localhost:3000", "https://perdure.internal"])
    def test_pages_that_may(self, it: World, origin: str) -> None:
        assert it.ask("GET", "/version", headers={"origin": origin}).status == 200

    def test_all_when_an_operator_says_so(self) -> None:
        with world(AdminOptions(hosts=frozenset({"*"}))) as made:
            assert made.ask("GET", "/version", headers={"host": "any.example"}).status == 200

    def test_words(self) -> None:
        assert host_of(b"[::1]:9070") == "::1" and is_loopback("::1")
        assert not is_loopback("") and not is_loopback("localhost.com")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("path", ["/services/Counter/state", "/deployments", "/query"])
def test_a_body_that_is_not_said_to_be_json(it: World, kind: str, path: str) -> None:
    body = json.dumps(STATE).encode()
    refused = it.ask("POST", path, body, {"content-type": kind})
    assert refused.status == 415 and "application/json" in refused.json["message"]


def test_an_empty_body_needs_no_type(it: World) -> None:
    assert it.ask("PATCH", "/invocations/inv_none/cancel").status == 400


class TestLargeStates:
    def test_what_another_process_parsed_is_the_state(self, it: World) -> None:
        count = 1024 * 1024
        body = b'{"object_key": "big", "new_state": {"v": [%s7]}}' % (b"7," * (count - 1))
        assert it.ask("POST", "/services/Counter/state", body).status == 202
        (patch,) = it.engine.operations[-1:]
        assert patch.state == ((b"v", b"\x07" * count),)  # type: ignore[union-attr]

    @pytest.mark.parametrize("last", ["256", '"a"', "1.5", "-1"])
    def test_what_is_wrong_with_it_is_said(self, it: World, last: str) -> None:
        values = "1," * INLINE_BYTES_MAX + last
        body = f'{{"object_key": "k", "new_state": {{"v": [{values}]}}}}'.encode()
        refused = it.ask("POST", "/services/Counter/state", body)
        assert refused.status == 400 and "new_state" in refused.json["message"]

    def test_elsewhere_a_body_is_small(self, it: World) -> None:
        body = json.dumps({"query": "x" * limits.BODY_BYTES_MAX}).encode()
        refused = it.ask("POST", "/query", body)
        assert refused.status == 413


class Client:
    """A connection that sends what it is told to."""

    def __init__(self, it: World) -> None:
        self.socket = socket.create_connection(("127.0.0.1", it.port), timeout=10)

    def send(self, data: bytes) -> "Client":
        self.socket.sendall(data)
        return self

    def answer(self) -> bytes:
        """All until the server closes."""
        parts = []
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        finally:
            self.socket.close()
        return b"".join(parts)


def head(path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


class TestUnfinishedBodies:
    def test_large_ones_share_a_budget_and_small_ones_pass(self, it: World) -> None:
        size = 50 * 1024 * 1024
        path = "/services/Counter/state"
        first = Client(it).send(head(path, size) + b" " * (size - 1))
        second = Client(it).send(head(path, size) + b" " * (size - 1))
        assert second.socket.recv(20).startswith(b"HTTP/1.1 503 ")
        assert it.ask("POST", path, STATE).status == 202
        first.socket.close()
        second.socket.close()
        deadline = time.monotonic() + 10
        while True:  # what the first held is free again
            last = Client(it).send(head(path, size) + b" " * size)
            status = last.socket.recv(20)
            last.socket.close()
            if status.startswith(b"HTTP/1.1 400 "):
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_a_slow_one_is_ended(self, it: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "BODY_S_MIN", 0.1)
        slow = Client(it).send(head("/query", 1000) + b"{")
        assert slow.answer().startswith(b"HTTP/1.1 408 ")
