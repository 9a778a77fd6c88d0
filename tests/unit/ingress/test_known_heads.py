"""A request whose headers were read before is taken without the parser, and means the same."""

from itertools import product
from random import Random

import pytest

from orchestrator.ingress import known_heads
from orchestrator.ingress.exchange import HttpReply
from orchestrator.ingress.headers import RawHeaders
from orchestrator.ingress.known_heads import KnownHeads
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.reader import Reader
from tests.parts.call_counts import calls_of

HEAD = b"host: x\r\ncontent-type: application/json\r\n"
Request = tuple[bytes, bytes, RawHeaders, bytes, bool, bool]


class Receiver:
    """Notes what one connection was asked."""

    def __init__(self, known: KnownHeads, **options: int) -> None:
        self.reader = Reader(self, IngressOptions(**options), known)
        self.seen: list[Request | int | str] = []

    def on_request(self, *request: bytes | RawHeaders | bool) -> None:
        self.seen.append(request)  # type: ignore[arg-type]

    def on_expectation(self) -> None:
        self.seen.append("expects")

    def on_refusal(self, reply: HttpReply) -> None:
        self.seen.append(reply.status)

    def feed(self, *reads: bytes) -> list[Request | int | str]:
        for data in reads:
            at = 0
            while at < len(data) and not self.reader.ended:
                at += self.reader.feed(data[at:] if at else data)
        return self.seen


def post(body: bytes = b"1", path: bytes = b"/Greeter/greet", more: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\n" + HEAD + more + length + body


def size_of(known: KnownHeads) -> int:
    return len(known._known)


def test_what_is_known_is_not_parsed_again() -> None:
    known = KnownHeads()
    first, second = Receiver(known), Receiver(known)
    parsed = calls_of(lambda: first.feed(post()))
    cost = calls_of(lambda: second.feed(post(b"2", b"/Counter/k/add")))
    (request,) = second.seen
    assert isinstance(request, tuple) and request[1] == b"/Counter/k/add" and request[3] == b"2"
    assert cost <= parsed / 2


def test_one_head_costs_no_more_than_a_look_if_it_names_one_request() -> None:
    known = KnownHeads()
    Receiver(known).feed(post(more=b"idempotency-key: a\r\n"), post(more=b"traceparent: b\r\n"))
    assert not size_of(known)


def test_so_many_are_kept_and_no_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_heads, "_HEADS_MAX", 8)
    known = KnownHeads()
    for number in range(20):
        Receiver(known).feed(post(more=b"x-request-id: %d\r\n" % number))
        assert 0 < size_of(known) <= 8
    before = size_of(known)
    Receiver(known).feed(post(more=b"x: " + b"y" * 1_024 + b"\r\n"))
    assert size_of(known) == before


@pytest.mark.parametrize(
    "odd",
    [
        post(more=b"connection: close\r\n"),
        post(more=b"expect: 100-continue\r\n"),
        post().replace(b"/1.1", b"/1.0").replace(b"host", b"connection: keep-alive\r\nhost"),
        post().replace(b"POST ", b"POST  "),
        post().replace(b"POST", b"PUT"),
        post(path=b"/Greeter/gr\x80et"),
        b"POST /a/b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /a/b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    ],
)
def test_what_is_odd_is_left_to_the_parser(odd: bytes) -> None:
    known = KnownHeads()
    expected = Receiver(known).feed(odd)
    assert not size_of(known)
    assert Receiver(known).feed(odd) == expected


@pytest.mark.parametrize("odd", [b"\r\n" + post(), post() + post(), post() + b"GET"])
def test_what_comes_beside_a_request_is_none_of_its_headers(odd: bytes) -> None:
    known = KnownHeads()
    plain = Receiver(KnownHeads()).feed(post())
    assert Receiver(known).feed(odd)[:1] == plain
    assert size_of(known) == 1 and Receiver(known).feed(post()) == plain


@pytest.mark.parametrize("split", [0, 5, 100, 140])
def test_nothing_is_kept_of_a_request_that_is_complete(split: int) -> None:
    whole = post() + b"\r\n" + post(b"x" * 50, more=b"idempotency-key: k\r\n")
    one = Receiver(KnownHeads())
    assert len(one.feed(whole[:split], whole[split:])) == 2
    assert not one.reader._seen and not one.reader.held_bytes


def test_a_request_that_came_in_parts_teaches_nothing_about_the_one_before() -> None:
    """The lines of the first would be taken for those of the second, with its body."""
    known = KnownHeads()
    second = post(b"x" * 81, more=b"a: b\r\n")
    begun = post(b"1") + second[:80]  # it ends where the body of the second would end
    assert len(Receiver(known).feed(begun, second[80:])) == 2
    assert size_of(known) == 1  # those of the first: they are its own
    assert Receiver(known).feed(post(b"1")) == Receiver(KnownHeads()).feed(post(b"1"))


def test_the_parser_takes_no_head_that_ends_in_another_way() -> None:
    """Else the first empty line would not be the end of the head."""
    for end in (b"\n\n", b"\r\n\n", b"\n\r\n"):
        head = b"POST /a/b HTTP/1.1\r\nhost: x" + end
        assert Receiver(KnownHeads()).feed(head, post()) == [400]


@pytest.mark.parametrize("split", [0, 40])
def test_a_plain_request_line_says_nothing_of_the_next_one(split: int) -> None:
    whole = post() + post(path=b"/other").replace(b"POST ", b"POST  ")
    first, second = Receiver(KnownHeads()).feed(whole[:split], whole[split:])
    assert isinstance(first, tuple) and second == 400


def test_heads_of_a_longer_request_line_still_have_their_limit() -> None:
    known = KnownHeads()
    Receiver(known, head_bytes_max=200).feed(post())
    assert size_of(known)
    long = post(path=b"/" + b"a" * 150)
    assert Receiver(known, head_bytes_max=200).feed(long) == [431]


LINES = [
    b"host: x",
    b"host:  x ",
    b"content-length: 2",
    b"content-length: 0",
    b"connection: close",
    b"connection: keep-alive",
    b"connection: upgrade\r\nupgrade: h2c",
    b"expect: 100-continue",
    b"transfer-encoding: chunked",
    b"A: b",
    b"a:",
    b" folded",
    b"host: y",
]
STARTS = [
    b"POST /a/b HTTP/1.1",
    b"GET /a/b?c=d HTTP/1.1",
    b"POST http://x/a HTTP/1.1",
    b"HEAD /a HTTP/1.1",
    b"POST /a/b HTTP/1.0",
    b"POST /a#b HTTP/1.1",
    b"post /a/b HTTP/1.1",
    b"POST  /a/b HTTP/1.1",
    b"POST /a/b RTSP/1.0",
]
BODIES = [
    b"",
    b"{}",
    b"1\r\n1\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"{}GET /a/b HTTP/1.1\r\nhost: x\r\n\r\n",
]


def odd_request(random: Random) -> bytes:
    end = random.choice([b"\r\n"] * 12 + [b"\n"])
    lines = random.sample(LINES, random.randrange(4))
    head = end.join([random.choice(STARTS), *lines, b"", b""])
    return head + random.choice(BODIES)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_read_before_a_connection_is_asked_the_same(seed: int) -> None:
    random, known = Random(seed), KnownHeads()
    kept = 0
    for _ in range(2_000):
        reads = [odd_request(random) for _ in range(random.randrange(1, 3))]
        if random.random() < 0.3:
            whole = b"".join(reads)
            at = random.randrange(len(whole))
            reads = [whole[:at], whole[at:]]
        assert Receiver(known).feed(*reads) == Receiver(KnownHeads()).feed(*reads), reads
        kept = max(kept, size_of(known))
    assert kept > 5


def test_every_plain_request_is_asked_the_same_by_its_known_lines() -> None:
    """Lines that were learned from one request serve any other method, path and body."""
    bodies = [b"1", b"2"]
    for (method, path), body in product(
        [(b"POST", b"/a/b"), (b"GET", b"/a/b?c=%20"), (b"POST", b"/Counter/k%2F1/add")], bodies
    ):
        request = post(body, path).replace(b"POST", method)
        known = KnownHeads()
        Receiver(known).feed(post())
        assert Receiver(known).feed(request) == Receiver(KnownHeads()).feed(request)
