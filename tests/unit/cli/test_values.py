"""State as JSON: every value comes back as bytes of the same meaning."""

import json

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.values import changed, parse_object, show_value, stored

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_shown_and_kept(value: bytes) -> None:
    text = json.dumps({"a": show_value(value)})
    assert changed({"a": value}, parse_object(text)) == {"a": value}


@given(JSON.filter(lambda value: not (isinstance(value, dict) and list(value) == ["$base64"])))
def test_any_json_is_stored_and_shown(value: object) -> None:
    try:
        raw = stored(value)
    except ValueError:
        assert "\\ud" in json.dumps(value)  # half of a pair is no text
        return
    assert json.dumps(show_value(raw)) == json.dumps(value)


def test_one_and_true_are_not_the_same() -> None:
    old = {"a": b"1"}
    assert changed(old, {"a": True}) == {"a": b"true"}
    assert changed(old, {"a": 1.0}) == {"a": b"1.0"}
    assert changed(old, {"a": 1}) == {"a": b"1"}
