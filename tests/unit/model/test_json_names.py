"""Names that come twice in one object of JSON are found, whatever stands around them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.json_names import name_given_twice


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a": 1, "a": 1}', "a"),
        ('{"a" \n:1,"b":{"c":[{"d":1,"e":2,"d":3}]}}', "d"),
        ('{"a":{"x":1},"a":2}', "a"),
        ('{"\\u0061":1,"a":2}', "a"),
        ('{"é":1,"\\u00e9":2}', "é"),
        ('{"\\"":1,"x\\\\":2,"\\"":3}', '"'),
        ('[{"a":1},{"a":2},{"":1,"":2}]', ""),
        ('{"a":1,"b":{"a":1},"c":["a","a:"],"d":"{\\"a\\":1,\\"a\\":2}"}', None),
        ('{"a":"\\\\","b":"a\\"","c":"}"}', None),
        ('"a"', None),
        ("[1, 2]", None),
    ],
)
def test_a_name_that_comes_twice(text: str, name: str | None) -> None:
    json.loads(text)
    assert name_given_twice(text.encode()) == name


def test_a_large_text_is_not_looked_at() -> None:
    text = b'{"a":1,%b"a":2}' % (b" " * 20_000)
    assert name_given_twice(text) is None
    assert name_given_twice(text, len(text)) == "a"


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
)


@given(value=VALUES, is_ascii=st.booleans())
def test_what_has_each_name_once(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert name_given_twice(text) is None
    assert name_given_twice(b'{"0":1,"v":%b,"0":2}' % text) == "0"
