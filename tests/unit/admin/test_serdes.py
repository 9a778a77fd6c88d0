"""Values of services, encoded and decoded by their deployment."""

import socket
from collections.abc import Iterator

import pytest

from orchestrator.registry.discovery import Converted
from tests.unit.admin.world import World, world

PATH = "/internal/services/Greeter/serdes"
BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def it() -> Iterator[World]:
    with world() as made:
        made.register()
        made.converted = {
            ("encode", "greet/input", b'"Ann"'): Converted(200, "x/y", b"\x00Ann"),
            ("decode", "greet/input", b"\x00Ann"): Converted(200, "application/json", b'"Ann"'),
        }
        yield made


def test_a_value_there_and_back(it: World) -> None:
    there = it.ask("POST", f"{PATH}/encode/greet/input", b'"Ann"')
    assert (there.status, there.headers["content-type"], there.body) == (200, "x/y", b"\x00Ann")
    back = it.ask("POST", f"{PATH}/decode/greet/input", there.body, BYTES)
    assert (back.status, back.json) == (200, "Ann")


def test_bytes_to_decode_may_come_without_a_type(it: World) -> None:
    # `fetch` of a browser, or of Node, names none for bytes.
    for head, status in (("", 200), ("content-type: text/plain\r\n", 415)):
        with socket.create_connection(("127.0.0.1", it.port), 60) as raw:
            raw.sendall(
                f"POST {PATH}/decode/greet/input HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}"
                "content-length: 4\r\nconnection: close\r\n\r\n\0Ann".encode()
            )
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer


def test_what_the_deployment_cannot_convert_is_told_with_its_words(it: World) -> None:
    answer = it.ask("POST", f"{PATH}/decode/nope", b"x", BYTES)
    assert answer.status == 500
    assert (
        "could not decode a value with 'nope': HTTP status 404: no such serde"
        in (answer.json["message"])
    )


def test_services_and_deployments_that_do_not_exist(it: World) -> None:
    assert it.ask("POST", "/internal/services/Nope/serdes/encode/a", b"1").status == 404
    assert it.ask("POST", f"{PATH}/encode/a?deployment=dp_nope", b"1").status == 404
