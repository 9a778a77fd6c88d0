"""Requests that offer to switch protocols; the offer is ignored, and HTTP/1.1 is spoken.

The parser takes such a request to be complete at the end of its head: what follows it, the body
included, would belong to the other protocol. So the head is written anew without the offer, and
parsed again with what follows. Java's HTTP client offers h2c on its first request by default.
"""

_OFFERS = frozenset((b"upgrade", b"http2-settings"))


def head_without_offer(
    method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]]
) -> bytes:
    """The bytes of a request's head without Upgrade and what belongs to it; names in lower case."""
    lines = [method + b" " + url + b" HTTP/" + version.encode()]
    for name, value in headers:
        if name in _OFFERS:
            continue
        if name == b"connection":
            value = _without_offers(value)
            if not value:
                continue
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _without_offers(connection: bytes) -> bytes:
    tokens = [token.strip() for token in connection.split(b",")]
    return b", ".join(token for token in tokens if token and token.lower() not in _OFFERS)
