"""Ids as text: vectors of the protocol, round trips, and refusals people can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.wire import (
    AwakeableId,
    BadId,
    awakeable_id_to_str,
    deployment_id_to_str,
    invocation_id_to_str,
    parse_awakeable_id,
    parse_deployment_id,
    parse_invocation_id,
    parse_subscription_id,
    subscription_id_to_str,
)

ULID = bytes.fromhex("019441f1be4f151534e91b9a2173692d")
INVOCATION = (92).to_bytes(8, "big") + ULID
INVOCATION_TEXT = "inv_17TIg0lHS4mY1nGQpCRmau6ypL82KH2TnP"
AWAKEABLE_TEXT = "sign_1AAAAAAAAAFwBlEHxvk8VFTTpG5ohc2ktAAAAEQ"


def test_vectors() -> None:
    assert parse_deployment_id("dp_11nGQpCRmau6ypL82KH2TnP") == ULID
    assert deployment_id_to_str(ULID) == "dp_11nGQpCRmau6ypL82KH2TnP"
    assert invocation_id_to_str(INVOCATION) == INVOCATION_TEXT
    assert parse_invocation_id(INVOCATION_TEXT) == INVOCATION
    assert awakeable_id_to_str(INVOCATION, 17) == AWAKEABLE_TEXT
    assert parse_awakeable_id(AWAKEABLE_TEXT) == AwakeableId(INVOCATION, 17, legacy=False)


def test_legacy_awakeable() -> None:
    text = AWAKEABLE_TEXT.replace("sign_1", "prom_1")
    assert parse_awakeable_id(text) == AwakeableId(INVOCATION, 17, legacy=True)
    assert parse_awakeable_id(text + "==") == AwakeableId(INVOCATION, 17, legacy=True)


def test_extremes() -> None:
    assert invocation_id_to_str(bytes(24)) == "inv_1" + "0" * 33
    assert parse_invocation_id(invocation_id_to_str(b"\xff" * 24)) == b"\xff" * 24
    assert deployment_id_to_str(b"\xff" * 16) == "dp_17N42dgm5tFLK9N8MT7fHC7"


@given(st.binary(min_size=24, max_size=24), st.integers(0, 2**32 - 1))
def test_round_trips(raw: bytes, index: int) -> None:
    assert parse_invocation_id(invocation_id_to_str(raw)) == raw
    assert len(invocation_id_to_str(raw)) == 38
    assert parse_deployment_id(deployment_id_to_str(raw[:16])) == raw[:16]
    assert parse_subscription_id(subscription_id_to_str(raw[:16])) == raw[:16]
    assert parse_awakeable_id(awakeable_id_to_str(raw, index)) == (raw, index, False)


@given(st.binary(min_size=16, max_size=16))
def test_digits_are_those_of_the_little_endian_number(raw: bytes) -> None:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    value = 0
    for digit in deployment_id_to_str(raw).removeprefix("dp_1"):
        value = value * 62 + digits.index(digit)
    assert value == int.from_bytes(raw, "little")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with 'inv_1'"),
        ("inv_2" + "0" * 33, "does not begin with 'inv_1'"),
        ("dp_11nGQpCRmau6ypL82KH2TnP", "does not begin with 'inv_1'"),
        ("inv_1abc", "has 8 characters, not 38"),
        (INVOCATION_TEXT + "0", "has 39 characters"),
        (INVOCATION_TEXT[:-1] + "-", "only digits and letters"),
        ("inv_1" + "-" * 33, "only digits and letters"),
        ("inv_1" + "é" * 33, "only digits and letters"),
        ("inv_1" + "Z" * 33, "too large"),
        ("inv_1" + "0" * 11 + "Z" * 22, "too large"),
    ],
)
def test_bad_invocation_ids_say_why(text: str, reason: str) -> None:
    with pytest.raises(BadId, match=reason):
        parse_invocation_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sign_1",
        INVOCATION_TEXT,
        AWAKEABLE_TEXT[:-1],
        AWAKEABLE_TEXT[:-1] + "!",
        AWAKEABLE_TEXT[:-1] + "\n",
        AWAKEABLE_TEXT[:-1] + "é",
        # The same bytes with spare bits set: not the way this id is written.
        AWAKEABLE_TEXT[:-1] + "R",
        AWAKEABLE_TEXT.replace("A", "+"),
        AWAKEABLE_TEXT[:20] + "=" + AWAKEABLE_TEXT[21:],
    ],
)
def test_bad_awakeable_ids(text: str) -> None:
    with pytest.raises(BadId, match="is not an awakeable id"):
        parse_awakeable_id(text)


@given(st.text(max_size=50))
def test_any_text_is_an_id_or_bad(text: str) -> None:
    for parse in (parse_invocation_id, parse_deployment_id, parse_awakeable_id):
        for candidate in (text, "inv_1" + text, "dp_1" + text, "sign_1" + text):
            try:
                parse(candidate)
            except BadId:
                pass


def test_raw_ids_of_another_length_are_refused() -> None:
    for write in (invocation_id_to_str, deployment_id_to_str, subscription_id_to_str):
        with pytest.raises(BadId, match="not 3"):
            write(b"abc")
    with pytest.raises(BadId, match="not 3"):
        awakeable_id_to_str(b"abc", 17)
