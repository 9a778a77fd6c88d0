"""Heads of requests, and the URIs they go to."""

import msgspec
import pytest

from orchestrator.exchanges.heads import Heads, clean_headers
from orchestrator.exchanges.origin import BadUri, Origin, parse_origin
from orchestrator.exchanges.signing import parse_signer
from orchestrator.registry.schema import Deployment
from orchestrator.runtime.version import own_version
from tests.unit.exchanges.test_signing import PEM
from tests.unit.invoker.samples import deployment, invoke


def test_parts_of_a_uri() -> None:
    assert parse_origin("http://h:9080/a/b/") == Origin(False, "h", 9080, b"h:9080", "/a/b")
    assert parse_origin("https://h/") == Origin(True, "h", 443, b"h", "")
    assert parse_origin("http://[::1]:9080") == Origin(False, "::1", 9080, b"[::1]:9080", "")


@pytest.mark.parametrize(
    "uri", ["", "ftp://h/", "http://", "http://h:x/", "http://h/?q", "http://u:p@h/", "h:80"]
)
def test_what_is_no_uri_of_a_service(uri: str) -> None:
    with pytest.raises(BadUri):
        parse_origin(uri)


def _head(on: Deployment, **changes: object) -> dict[bytes, bytes]:
    wanted = msgspec.structs.replace(invoke(), **changes)
    return dict(Heads("", None).invoke(on, wanted, 6, "inv_1x", 0))


def test_the_head_of_an_attempt() -> None:
    assert Heads("prod", None).invoke(deployment("http://h:1/p/"), invoke(), 6, "inv_1x", 0) == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", b"h:1"),
        (b":path", b"/p/invoke/Svc/run"),
        (b"content-type", b"application/vnd.restate.invocation.v6"),
        (b"accept", b"application/vnd.restate.invocation.v6"),
        (b"x-perdure-version", own_version().encode()),
        (b"x-restate-cluster-name", b"prod"),
        (b"x-restate-invocation-id", b"inv_1x"),
    ]


def test_a_deployment_sets_none_of_the_headers_that_are_the_servers() -> None:
    forged = (("x-restate-jwt-v1", "x"), ("X-Restate-Invocation-Id", "y"), ("x-restated", "mine"))
    forged += (("expect", "100-continue"), ("content-encoding", "gzip"), ("Traceparent", "z"))
    on = msgspec.structs.replace(deployment("http://h/"), additional_headers=forged)
    head = Heads("prod", parse_signer(PEM)).invoke(on, invoke(), 6, "inv_1x", 0)
    names = [name for name, _ in head]
    assert len(names) == len(set(names)) and b"x-restated" in names
    assert dict(head)[b"x-restate-jwt-v1"] != b"x"
    assert not {b"expect", b"content-encoding", b"traceparent"} & set(names)


def test_keys_are_escaped() -> None:
    head = _head(deployment("http://h/"), key="a/b c\r\né")
    assert head[b"x-restate-service-key"] == b"a%2Fb%20c%0D%0A%C3%A9"


def test_the_trace_passes_through() -> None:
    trace = ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b")
    head = _head(deployment("http://h/"), trace=trace)
    assert head[b"traceparent"] == trace[0].encode()
    assert head[b"tracestate"] == b"a=b"
    assert b"traceparent" not in _head(deployment("http://h/"), trace=("a\r\nb: c", ""))


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_tracestate_beyond_the_standards_size_is_not_sent() -> None:
    on = deployment("http://h/")
    assert len(_head(on, trace=(PARENT, "a=" + "b" * 510))[b"tracestate"]) == 512
    head = _head(on, trace=(PARENT, "a=" + "b" * 511))
    assert b"tracestate" not in head and head[b"traceparent"] == PARENT.encode()


@pytest.mark.parametrize("parent", ["x" * 200_000, PARENT + "-" + "0" * 100, PARENT + "\n", "é"])
def test_a_malformed_traceparent_is_not_sent(parent: str) -> None:
    head = _head(deployment("http://h/"), trace=(parent, "a=b"))
    assert b"traceparent" not in head and b"tracestate" not in head


def test_a_key_that_would_make_the_head_too_large_is_only_in_the_start_message() -> None:
    on = deployment("http://h/")
    assert len(_head(on, key="k" * 4096)[b"x-restate-service-key"]) == 4096
    assert b"x-restate-service-key" not in _head(on, key="é" * 2048)


def test_headers_of_the_deployment_come_along_but_do_no_harm() -> None:
    pairs = (("X-A", " 1 "), ("Host", "evil"), ("bad name", "x"), ("x-b", "a\r\nb"), ("TE", "x"))
    assert clean_headers(pairs) == [(b"x-a", b"1")]
    head = _head(deployment("http://h/", headers=pairs))
    assert head[b"x-a"] == b"1" and b"host" not in head


def test_signatures_name_the_path_without_the_prefix() -> None:
    heads = Heads("", parse_signer(PEM))
    head = heads.invoke(deployment("http://h/prefix"), invoke(), 6, "inv_1x", 5_000)
    expected = parse_signer(PEM).headers("/invoke/Svc/run", "", 5)
    assert head[-2:] == expected
