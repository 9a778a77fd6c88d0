"""An app as an engine in the same process calls it: requests without a transport."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.discovery import ProtocolMode, manifest
from perdure.endpoint import SDK_NAME, Answer, Endpoint

BIDI: Final[ProtocolMode] = "BIDI_STREAM"


class InProcessApp:
    """Implements the engine's `ServiceApp`. Who calls from the same process need not sign."""

    server = SDK_NAME

    def __init__(
        self, endpoint: Endpoint, start: Callable[..., Any], mode: ProtocolMode | None = None
    ) -> None:
        """`start` begins an attempt, as transports have it begun."""
        self._endpoint = endpoint.unsigned()
        self._start = start
        self._mode = mode or BIDI

    def manifest(self, version: int) -> bytes:
        """The endpoint manifest."""
        return manifest(self._endpoint.services.values(), self._mode, version)

    def open(
        self,
        path: str,
        headers: Mapping[str, str],
        send: Callable[[bytes], None],
        ended: Callable[[], None],
        loop: AbstractEventLoop,
    ) -> Any:
        """Begin an attempt; status and reason where there is no such handler."""
        found = self._endpoint.answer("POST", path, headers, self._mode)
        if isinstance(found, Answer):
            return found.status, found.body.decode()
        return self._start(found.handler, found.version, send, ended, loop, headers)
