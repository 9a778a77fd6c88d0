"""Addresses of deployments: one way of writing each, and what makes two the same."""

import re
from urllib.parse import SplitResult, urlsplit

from orchestrator.registry.stored import StoredPairs

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_HOST = re.compile(r"[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"[!$&-;=@-Z_a-z~%]*")  # the characters of a path, RFC 3986
_FUNCTION = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]+:function:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_$-]{1,128}"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]+:role/[A-Za-z0-9+=,.@/_-]{1,512}")
_URI_CHARS_MAX = 2048
_HEADERS_BYTES_MAX = 16 * 1024
_OF_CONNECTIONS = frozenset(
    (
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_OF_REQUESTS = frozenset(
    ("accept", "content-encoding", "content-type", "traceparent", "tracestate")
)
OWN_HEADERS = _OF_CONNECTIONS | _OF_REQUESTS
"""What no deployment may set: with two of one, or another one, no attempt would go well."""

RESERVED_HEADERS = "x-restate-"  # the signature of requests, among others


class AddressError(ValueError):
    """An address or a header that cannot be used; the message says why."""


def normalise_uri(text: str) -> str:
    """Scheme and host in lower case, no default port, a path that is never ""."""
    if len(text) > _URI_CHARS_MAX:
        raise AddressError(f"a URI may have {_URI_CHARS_MAX} characters, this one has {len(text)}")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise AddressError(f"{text!r} is not a URI: a character in it is not allowed")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"{text!r} is not a URI: {error}") from None
    _check(text, parts)
    host = _host_of(parts).lower()
    known = {"http": 80, "https": 443}[parts.scheme]
    shown = "" if port is None or port == known else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path or '/'}"


def check_function(arn: str) -> str:
    """The ARN of a version or an alias of a function of AWS Lambda; raises AddressError."""
    if not _FUNCTION.fullmatch(arn):
        raise AddressError(
            f"{arn!r} names no version of a function: write"
            " arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION, with a version or an alias"
        )
    return arn


def check_role(arn: str) -> str:
    """The ARN of a role; raises AddressError."""
    if not _ROLE.fullmatch(arn):
        raise AddressError(f"{arn!r} is no role: write arn:aws:iam::ACCOUNT:role/NAME")
    return arn


def _host_of(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _check(text: str, parts: SplitResult) -> None:
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise AddressError(
            f"{text!r} is no address of an endpoint: write http://host:port or https://host"
        )
    if "@" in parts.netloc:
        raise AddressError(
            "a URI with a password: put credentials into additional_headers (--header)"
        )
    if parts.query or parts.fragment:
        raise AddressError(f"{text!r} has a query or a fragment, which an endpoint cannot have")
    if not _HOST.fullmatch(_host_of(parts)) or not _PATH.fullmatch(parts.path):
        raise AddressError(f"{text!r} is not a URI: a character in it is not allowed")
    if parts.port == 0:
        raise AddressError(f"{text!r}: there is no port 0")


def check_endpoint_headers(headers: dict[str, str]) -> StoredPairs:
    """Headers to send with every request, names in lower case; AddressError for bad ones."""
    if sum(map(len, headers)) + sum(map(len, headers.values())) > _HEADERS_BYTES_MAX:
        raise AddressError(f"additional headers may have {_HEADERS_BYTES_MAX} bytes in sum")
    pairs = []
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise AddressError(f"{name!r} is not a header: a character in it is not allowed")
        if lower in _OF_CONNECTIONS:
            raise AddressError(f"the header {name!r} belongs to the connection: leave it out")
        if lower in _OF_REQUESTS or lower.startswith(RESERVED_HEADERS):
            raise AddressError(f"the header {name!r} is set by this server: leave it out")
        pairs.append((lower, value.strip()))
    return tuple(sorted(pairs))


def routing_key(
    uri: str, headers: StoredPairs, routing_headers: frozenset[str]
) -> tuple[str, StoredPairs]:
    """What tells two deployments apart: the URI, and the headers that route."""
    return uri, tuple(pair for pair in headers if pair[0] in routing_headers)
