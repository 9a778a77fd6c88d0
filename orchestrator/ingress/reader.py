"""From the bytes of a connection to its requests, a bounded part at a time.

The parser sees a few kilobytes at once, or the rest of a body whose length is known, so that no
callback has more to do than that, however many requests, headers or chunks came together.
"""

import io
from typing import Protocol, cast

import httptools

from orchestrator.ingress import replies
from orchestrator.ingress.budget import HEAD_BYTES_FREE, HEADER_BYTES
from orchestrator.ingress.exchange import HttpReply
from orchestrator.ingress.headers import RawHeaders
from orchestrator.ingress.known_heads import REQUEST_LINE, KnownHeads
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.request_line import (
    BAD_LINE,
    CODED_BODY,
    END_BYTES,
    END_OF_HEAD,
    HTTP_VERSIONS,
    LINE_ENDS,
    end_of_piece,
    is_well_formed,
    with_known_method,
)
from orchestrator.ingress.upgrade import head_without_offer

PART_BYTES = 2 * 1024
_WATCHED = frozenset(
    b"content-length expect host idempotency-key traceparent transfer-encoding".split()
)
_FRAMING_RATIO_MAX = 16  # a chunk of one byte takes six


class RequestReceiver(Protocol):
    """Who takes what was read."""

    def on_request(
        self,
        method: bytes,
        url: bytes,
        headers: RawHeaders,
        body: bytes,
        keep_alive: bool,
        old: bool,
    ) -> None:
        """A request is complete; names of headers are in lower case. `old`: HTTP/1.0."""
        ...

    def on_expectation(self) -> None:
        """The client expects `100 Continue` before it sends the body."""
        ...

    def on_refusal(self, reply: HttpReply) -> None:
        """The connection is not read any further; `reply` is its last answer."""
        ...


class Reader:
    """Assembles one request after the other; once `ended` nothing more is read."""

    __slots__ = (
        "_body",
        "_connection",
        "_expects",
        "_framed_bytes",
        "_head_bytes",
        "_head_total_bytes",
        "_headers",
        "_host_count",
        "_is_coded",
        "_joined",
        "_known",
        "_length_bytes",
        "_line_is_plain",
        "_may_repeat",
        "_method",
        "_offers",
        "_options",
        "_parser",
        "_seen",
        "_taken_bytes",
        "_unknown_method",
        "_url",
        "body_bytes",
        "ended",
        "in_head",
        "partial",
    )

    def __init__(
        self, connection: RequestReceiver, options: IngressOptions, known: KnownHeads
    ) -> None:
        self._connection = connection
        self._options = options
        self._known = known
        self._parser = httptools.HttpRequestParser(self)
        self.ended = False
        self.partial = False  # a request has begun and is not complete
        self.in_head = True
        self.body_bytes = 0  # of the request that is not complete
        self._length_bytes = -1  # of its body, if the head says so
        self._head_bytes = 0
        self._head_total_bytes = 0  # of the head of which the body comes now
        self._framed_bytes = 0  # of a body as it came, with all that is around its chunks
        self._body = b""
        self._joined: io.BytesIO | None = None  # a body that came in several pieces
        self._headers: RawHeaders = []
        self._method = b""
        self._unknown_method = b""  # to the parser
        self._url = b""
        self._seen: bytes | bytearray = b""  # its first bytes
        self._line_is_plain = False  # of the request that comes: it need not be looked at again
        self._may_repeat = False  # its head came at once, and no header names it
        self._taken_bytes = -1  # of the body of the last request that was complete
        self._host_count = 0
        self._is_coded = False  # has a Transfer-Encoding
        self._expects = False
        self._offers = False

    @property
    def held_bytes(self) -> int:
        """Of the request that is not complete, what counts."""
        head_bytes = self._head_bytes or self._head_total_bytes
        head_bytes += HEADER_BYTES * len(self._headers)
        return self.body_bytes + (head_bytes if head_bytes > HEAD_BYTES_FREE else 0)

    @property
    def in_sized_body(self) -> bool:
        """Whether a body of known length comes: it is only copied."""
        return not self.in_head and self._length_bytes > self.body_bytes

    def feed(self, data: bytes | memoryview) -> int:
        """Parse a part of `data`; returns how many of its bytes were parsed."""
        size_bytes = len(data)
        is_fed = False
        if size_bytes > PART_BYTES:
            if self.in_sized_body:
                return self._parse(data[: self._length_bytes - self.body_bytes])
            data, size_bytes = data[:PART_BYTES], PART_BYTES
        elif type(data) is bytes and not self.partial:
            if self._take_known(data):
                return size_bytes
            is_fed = self._feed_one(data, size_bytes)
        if not is_fed:
            self._feed_pieces(bytes(data), size_bytes)
        if self.partial:
            self._check_sizes()
        else:
            self._seen = b""
        return size_bytes

    def _feed_one(self, data: bytes, size_bytes: int) -> bool:
        """Parse at once what has one empty line: a request with all its body, as nearly always,
        and perhaps some of the next one. Whether it was that."""
        end = data.find(END_OF_HEAD) + END_BYTES
        if end < END_BYTES or data.find(END_OF_HEAD, end) >= 0 or data[0] in LINE_ENDS:
            return False
        self._head_bytes, self._seen, self._may_repeat = end, data[:end], True
        self._taken_bytes = -1
        begin = self._parse(data)
        if begin < size_bytes:  # an offer was declined
            self._feed_pieces(data[begin:], size_bytes - begin)
        elif self.partial and self._taken_bytes >= 0:  # the next one has begun
            self._seen = data[end + self._taken_bytes :].lstrip(LINE_ENDS)
            self._head_bytes = len(self._seen)
        return True

    def _feed_pieces(self, data: bytes, size_bytes: int) -> None:
        """Parse it in pieces that end where a request may end."""
        begin = 0
        while begin < size_bytes and not self.ended:
            if self.in_sized_body:
                piece = data[begin : begin + self._length_bytes - self.body_bytes]
            else:
                piece = data[begin : end_of_piece(data, begin, size_bytes)]
                self._see(piece)
            begin += self._parse(piece)

    def _see(self, piece: bytes) -> None:
        """Keep what may hold the request line: what came until the first header is complete."""
        if not self.in_head:
            self._framed_bytes += len(piece)
            return
        self._head_bytes += len(piece)
        if not self.partial:
            self._may_repeat = True
            self._seen = piece
        elif not self._headers:
            if not isinstance(self._seen, bytearray):
                self._seen = bytearray(self._seen)
            self._seen += piece

    def _parse(self, piece: bytes | memoryview) -> int:
        """How many bytes were parsed."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as offer:
            self._decline_offer()
            return int(offer.args[0])
        except httptools.HttpParserError as error:
            self._parse_unknown(bytes(piece), error)
        return len(piece)

    def _parse_unknown(self, piece: bytes, error: httptools.HttpParserError) -> None:
        found = with_known_method(piece, error)
        if found is None:
            self.refuse(replies.refused(400, f"bad HTTP request: {error}"))
        else:
            self._parser = httptools.HttpRequestParser(self)
            self._unknown_method, piece = found
            self._parse(piece)

    def _take_known(self, data: bytes) -> bool:
        """Take a whole request whose headers were read before; whether it is one."""
        line = REQUEST_LINE(data)
        if line is None:
            return False
        # Without headers the line's own end is part of it.
        begin, end = line.end(), data.find(END_OF_HEAD) + len(END_OF_HEAD)
        known = self._known.find(data[begin:end])
        if (
            known is None
            or end + known.body_bytes != len(data)
            or end > self._options.head_bytes_max
        ):
            self._line_is_plain = True
            return False
        method, url = line.groups()
        self._connection.on_request(method, url, known.headers, data[end:], True, False)
        return True

    def _check_sizes(self) -> None:
        """Of a request that is not complete."""
        options = self._options
        self._may_repeat = False
        if not self.in_head:
            self._seen = b""
            # Extensions and trailers of chunks are a head of their own: they mean nothing here.
            around_bytes_max = options.head_bytes_max + _FRAMING_RATIO_MAX * self.body_bytes
            if self._framed_bytes > around_bytes_max:
                self.refuse(replies.refused(400, "there is too much around a chunked body"))
        elif self._head_bytes > options.head_bytes_max:
            self._refuse_head()
        elif len(self._headers) > options.header_count_max:
            self._refuse_count()

    def _refuse_head(self) -> None:
        message = f"the headers of a request may have at most {self._options.head_bytes_max} bytes"
        self.refuse(replies.refused(431, message))

    def _refuse_count(self) -> None:
        message = f"a request may have {self._options.header_count_max} headers"
        self.refuse(replies.refused(431, message))

    def _decline_offer(self) -> None:
        """Go on in HTTP/1.1 after an offer of another protocol."""
        method = self._parser.get_method()
        version = self._parser.get_http_version()
        self._parser = httptools.HttpRequestParser(self)
        if method == b"CONNECT":
            self.refuse(replies.not_allowed((b"GET", b"POST")))
            return
        self._head_bytes = 0
        self._seen = head_without_offer(method, self._url, version, self._headers)
        self._parser.feed_data(self._seen)

    def refuse(self, reply: HttpReply) -> None:
        """Read no further; the reply is the connection's last."""
        if not self.ended:
            self.drop()
            self._connection.on_refusal(reply)

    def drop(self) -> None:
        """Read no further, and free what was read."""
        self.ended = True
        self.partial = False
        self._head_bytes = self._head_total_bytes = 0
        self._drop_body()
        self._headers = []
        self._seen = b""

    def close(self) -> None:
        """The connection is gone."""
        self.drop()
        self._parser = cast(httptools.HttpRequestParser, None)  # they refer to each other
        self._connection = cast(RequestReceiver, None)

    def _drop_body(self) -> None:
        self._body = b""
        self._joined = None
        self.body_bytes = 0

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        self.partial = True
        self.in_head = True
        self._expects = False
        self._offers = False
        self._url = b""
        self._headers = []
        self._host_count = 0
        self._is_coded = False
        self._length_bytes = -1

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if not self.in_head:
            return  # trailers mean nothing here
        name = name.lower()
        value = value or b""
        if name in _WATCHED:
            if name == b"host":
                self._host_count += 1
            elif name == b"content-length":
                self._length_bytes = int(value)
                if self._length_bytes > self._options.payload_bytes_max:
                    self._refuse_size()
            else:
                self._may_repeat = False
                if name == b"expect":
                    self._expects = value.lower() == b"100-continue"
                elif name == b"transfer-encoding":
                    self._is_coded = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        head_bytes = self._head_total_bytes = self._head_bytes
        self._head_bytes = self._framed_bytes = 0
        self._check_head(head_bytes)
        if self._parser.should_upgrade():
            self._offers = True
        elif self._expects and not self.ended:
            self._connection.on_expectation()

    def _check_head(self, head_bytes: int) -> None:
        self._method = self._unknown_method or self._parser.get_method()
        self._unknown_method = b""
        if len(self._headers) > self._options.header_count_max:
            self._refuse_count()
        elif head_bytes > self._options.head_bytes_max:
            self._refuse_head()
        elif not self._line_is_plain and not is_well_formed(self._seen, self._method, self._url):
            self.refuse(replies.refused(400, BAD_LINE))
        elif self._host_count > 1:
            self.refuse(replies.refused(400, "bad request: it has more than one Host"))
        elif self._is_coded and self._parser.get_http_version() == "1.0":
            self.refuse(replies.refused(400, CODED_BODY))

    def on_body(self, body: bytes) -> None:
        if self.ended:
            return
        if not self.body_bytes:
            self._body = body
        elif self._joined is None:
            self._joined = io.BytesIO()
            self._joined.write(self._body)
            self._joined.write(body)
            self._body = b""
        else:
            self._joined.write(body)
        self.body_bytes += len(body)
        if self.body_bytes > self._options.payload_bytes_max:
            self._refuse_size()

    def on_message_complete(self) -> None:
        if self._offers or self.ended:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in HTTP_VERSIONS:
            self.refuse(replies.refused(400, f"HTTP/{version} is not spoken here"))
            return
        # `getvalue` of a BytesIO makes no second copy of a large body.
        body = self._body if self._joined is None else self._joined.getvalue()
        headers, self._headers = self._headers, []
        keep_alive = parser.should_keep_alive()
        if self._may_repeat and keep_alive:
            self._known.keep(bytes(self._seen), headers, len(body))
        if self.body_bytes:
            self._drop_body()
        self._taken_bytes = len(body)
        self.partial = False
        self.in_head = True
        self._head_total_bytes = 0
        self._line_is_plain = False
        self.ended = not keep_alive
        self._connection.on_request(
            self._method, self._url, headers, body, keep_alive, version == "1.0"
        )

    def _refuse_size(self) -> None:
        self.refuse(replies.body_too_large(self._options.payload_bytes_max))
