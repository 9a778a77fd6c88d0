"""Calls between services: with and without an answer, delayed, with idempotency keys, in order."""

from __future__ import annotations

import json
import time

import pytest

from tests.parts.client import Client, at_once, eventually, fresh, proxied


def test_a_call_returns_the_bytes_of_the_callee(client: Client) -> None:
    result = client.call(("Proxy", "call"), proxied("TestUtilsService", "uppercaseEcho", "ping"))
    assert bytes(result) == b'"PING"'


@pytest.mark.parametrize("handler", ["call", "oneWayCall"])
def test_one_idempotency_key_runs_the_callee_once(client: Client, handler: str) -> None:
    counter, key = fresh(), fresh("once")
    request = {**proxied("Counter", "add", 1, counter), "idempotencyKey": key}
    results = [client.call(("Proxy", handler), request) for _ in range(3)]
    if handler == "call":
        assert [json.loads(bytes(one)) for one in results] == [{"oldValue": 0, "newValue": 1}] * 3
    else:
        assert len(set(results)) == 1

    def output() -> None:
        path = f"/restate/invocation/Counter/{counter}/add/{key}/output"
        assert client.get(path).expect(200).json() == {"oldValue": 0, "newValue": 1}

    eventually(output)
    assert client.call(("Counter", counter, "get")) == 1


def test_delayed_one_way_calls_wait_before_they_queue(client: Client) -> None:
    counter, delay_ms = fresh(), 1500
    request = {**proxied("Counter", "add", 1, counter), "delayMillis": delay_ms}
    started = time.monotonic()
    at_once([lambda: client.call(("Proxy", "oneWayCall"), request) for _ in range(10)])
    seen_early = client.call(("Counter", counter, "get"))
    # The claim holds only where the calls themselves were quick.
    assert seen_early == 0 or time.monotonic() - started > delay_ms / 1000

    def all_added() -> None:
        assert client.call(("Counter", counter, "get")) == 10

    eventually(all_added)
    elapsed_s = time.monotonic() - started
    assert delay_ms / 1000 <= elapsed_s < 5 * delay_ms / 1000


@pytest.mark.parametrize("one_way", [(1, 0, 0), (0, 1, 0), (1, 1, 0)])
def test_calls_to_one_key_arrive_in_order(client: Client, one_way: tuple[int, ...]) -> None:
    """The last one is awaited, so that the clear below comes after all of them."""
    name = fresh("list")
    requests = [
        {
            "proxyRequest": proxied("ListObject", "append", str(number), name),
            "oneWayCall": bool(background),
            "awaitAtTheEnd": not background,
        }
        for number, background in enumerate(one_way)
    ]
    client.call(("Proxy", "manyCalls"), requests)
    assert client.call(("ListObject", name, "clear")) == ["0", "1", "2"]


def test_a_long_run_of_one_way_calls_keeps_its_order(client: Client) -> None:
    name, count = fresh("list"), 60
    requests = [
        {
            "proxyRequest": proxied("ListObject", "append", str(number), name),
            "oneWayCall": number < count - 1,
            "awaitAtTheEnd": number == count - 1,
        }
        for number in range(count)
    ]
    client.call(("Proxy", "manyCalls"), requests)
    assert client.call(("ListObject", name, "clear")) == [str(number) for number in range(count)]
