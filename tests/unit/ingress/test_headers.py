"""Headers of a call: what is kept of those that clients repeat is bounded, and mixes nothing up."""

import pytest

from orchestrator.ingress import headers
from orchestrator.ingress.headers import RawHeaders, read_headers

_PLAIN: RawHeaders = [(b"host", b"x"), (b"content-type", b"text/plain")]
_PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "_known", {})


def test_repeated_headers_are_read_once_and_each_call_has_its_own_path() -> None:
    first, second = read_headers(_PLAIN, b"/A/k1/h"), read_headers(list(_PLAIN), b"/A/k2/h")
    assert len(headers._known) == 1
    assert first.content_type == second.content_type == "text/plain"
    type_line = ("content-type", "text/plain")
    assert first.forwarded == (type_line, ("x-restate-ingress-path", "/A/k1/h"))
    assert second.forwarded == (type_line, ("x-restate-ingress-path", "/A/k2/h"))


@pytest.mark.parametrize("once", [(b"idempotency-key", b"k"), (b"traceparent", _PARENT)])
def test_what_names_one_request_is_not_kept(once: tuple[bytes, bytes]) -> None:
    found = read_headers([*_PLAIN, once], b"/A/h")
    assert found.idempotency_key or found.trace[0]
    assert not headers._known
    assert read_headers(_PLAIN, b"/A/h").idempotency_key is None


def test_what_is_kept_is_bounded() -> None:
    for number in range(3 * headers._KNOWN_MAX):
        read_headers([*_PLAIN, (b"x-request-id", b"%d" % number)], b"/A/h")
        assert len(headers._known) <= headers._KNOWN_MAX
    known = len(headers._known)
    read_headers([*_PLAIN, (b"x-large", b"x" * headers._KNOWN_BYTES_MAX)], b"/A/h")
    assert len(headers._known) == known


def test_what_only_the_server_sets_does_not_come_from_callers() -> None:
    forged = [
        (b"x-restate-ingress-path", b"/other"),
        (b"x-restate-id", b"inv_1"),
        (b"perdure-status", b"ok"),
        (b"x-perdure-anything", b"1"),
    ]
    found = read_headers([*_PLAIN, *forged, (b"x-restated", b"mine")], b"/A/h")
    type_line = ("content-type", "text/plain")
    assert found.forwarded == (
        type_line,
        ("x-restated", "mine"),
        ("x-restate-ingress-path", "/A/h"),
    )
