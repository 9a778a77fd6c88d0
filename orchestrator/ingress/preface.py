"""Which HTTP a client speaks: HTTP/2 if it begins with the preface of that."""

import asyncio
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def is_preface(data: bytes) -> bool | None:
    """Of the first bytes of a connection; None if they are too few to tell."""
    begin = data[: len(PREFACE)]
    if not PREFACE.startswith(begin):
        return False
    return True if len(begin) == len(PREFACE) else None


def serve_by(transport: asyncio.Transport, protocol: asyncio.Protocol, data: bytes) -> None:
    """From now on the connection is another protocol's, which takes what was read."""
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    protocol.data_received(data)
