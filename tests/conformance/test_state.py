"""State of virtual objects: reads, writes, listing, clearing, isolation between keys."""

from __future__ import annotations

from tests.parts.client import Client, eventually, fresh, proxied


def test_add_returns_the_old_and_the_new_value(client: Client) -> None:
    counter = ("Counter", fresh(), "add")
    assert client.call(counter, 1) == {"oldValue": 0, "newValue": 1}
    assert client.call(counter, 2) == {"oldValue": 1, "newValue": 3}


def test_one_way_calls_through_a_proxy_all_arrive(client: Client) -> None:
    key = fresh()
    for _ in range(3):
        client.call(("Proxy", "oneWayCall"), proxied("Counter", "add", 1, key))

    def three() -> None:
        assert client.call(("Counter", key, "get")) == 3

    eventually(three)


def test_list_and_clear_touch_one_key_only(client: Client) -> None:
    one, other = fresh(), fresh()
    for number in (0, 1):
        client.call(("MapObject", one, "set"), {"key": f"k{number}", "value": f"v{number}"})
    client.call(("MapObject", other, "set"), {"key": "k2", "value": "v2"})

    cleared = client.call(("MapObject", one, "clearAll"))

    assert sorted(entry["key"] for entry in cleared) == ["k0", "k1"]
    assert client.call(("MapObject", one, "get"), "k0") == ""
    assert client.call(("MapObject", one, "get"), "k1") == ""
    assert client.call(("MapObject", other, "get"), "k2") == "v2"


def test_reset_clears_one_state_key(client: Client) -> None:
    key = fresh()
    client.call(("Counter", key, "add"), 5)
    client.call(("Counter", key, "reset"))
    assert client.call(("Counter", key, "get")) == 0


def test_keys_of_objects_may_hold_any_text(client: Client) -> None:
    keys = ["with space", "with/slash", "ünï-코드", "q?a=b&c#d", "%41", "a+b"]
    keys = [fresh() + key for key in keys]
    for number, key in enumerate(keys):
        client.call(("Counter", key, "add"), number)
    assert [client.call(("Counter", key, "get")) for key in keys] == list(range(len(keys)))


def test_state_is_seen_in_the_state_table(client: Client) -> None:
    key = fresh()
    client.call(("MapObject", key, "set"), {"key": "colour", "value": "red"})
    rows = client.query(
        "SELECT key, value_utf8 FROM state "
        f"WHERE service_name = 'MapObject' AND service_key = '{key}'"
    )
    assert rows == [{"key": "colour", "value_utf8": '"red"'}]
