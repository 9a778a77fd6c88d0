"""Headers and the trace context: what is kept with an invocation and sent on."""

import pytest

from orchestrator.door.headers import NO_TRACE, check_headers, trace_of
from orchestrator.door.refusals import RefusalCode
from orchestrator.model.limits import HEADER_COUNT_MAX, HEADERS_BYTES_MAX
from tests.unit.door.refused import code_of

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.mark.parametrize("char", ["x", "€"])
def test_headers_have_a_size_in_bytes(char: str) -> None:
    value = char * ((HEADERS_BYTES_MAX - 1) // len(char.encode()))
    check_headers((("n", value),))
    assert code_of(check_headers, (("nn", value + char),)) == RefusalCode.BAD_HEADERS


def test_headers_have_a_number() -> None:
    check_headers((("n", "v"),) * HEADER_COUNT_MAX)
    code = code_of(check_headers, (("n", "v"),) * (HEADER_COUNT_MAX + 1))
    assert code == RefusalCode.BAD_HEADERS


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        PARENT + "x",
        "ff" + PARENT[2:],
        PARENT.replace("a", "0"),
        PARENT.replace("b", "0"),
        PARENT.upper(),
    ],
)
def test_a_malformed_parent_is_dropped_with_its_state(parent: str) -> None:
    assert trace_of(parent, "s=1") == NO_TRACE


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("s=1", True),
        ("s=" + "x" * 510, True),
        ("s=" + "x" * 511, False),
        ("s=" + "x" * 200_000, False),
        ("s=ä", False),
        ("s=1\r\nx: y", False),
    ],
)
def test_a_state_that_a_service_could_refuse_is_dropped(state: str, kept: bool) -> None:
    assert trace_of(PARENT, state) == (PARENT, state if kept else "")
