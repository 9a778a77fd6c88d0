"""An app as an engine in the same process calls it: requests without a transport."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from perdure.discovery import ProtocolMode, manifest
from perdure.endpoint import SDK_NAME, Accepted, Answer, Endpoint
from perdure.errors import Misuse

BIDI: Final[ProtocolMode] = "BIDI_STREAM"
_manifests: Final[WeakKeyDictionary[Endpoint, tuple[Any, list[Any], bytes]]] = WeakKeyDictionary()


@contextmanager
def needing_server(what: str, extra: str) -> Iterator[None]:
    """Around imports of the engine, which an extra brings; raises Misuse if it is not there."""
    try:
        yield
    except ImportError as error:
        message = f"{what}: pip install 'perdure[{extra}]' ({error})"
        raise Misuse(message) from error


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
        self._accepted: dict[tuple[bytes, bytes], Accepted] = {}  # the engine asks for its own

    def manifest(self, version: int) -> bytes:
        """The endpoint manifest; kept, since a suite of tests has an engine for each of them."""
        services = self._endpoint.services.values()
        handlers = [handler for one in services for handler in one.handlers.values()]
        at = (version, self._mode, *map(id, handlers))
        known = _manifests.get(self._endpoint)
        if known is None or known[0] != at:
            # The ids are theirs as long as they live: so they are kept, too.
            known = (at, handlers, manifest(services, self._mode, version))
            _manifests[self._endpoint] = known
        return known[2]

    def open(
        self,
        path: bytes,
        content_type: bytes,
        headers: Mapping[str, str],
        send: Callable[[list[bytes]], None],
        ended: Callable[[], None],
        loop: AbstractEventLoop,
    ) -> Any:
        """Begin an attempt; status and reason where there is no such handler."""
        accepted = self._accepted.get((path, content_type))
        if accepted is None:
            found = self._endpoint.answer("POST", path.decode("latin-1"), headers, self._mode)
            if isinstance(found, Answer):
                return found.status, found.body.decode()
            accepted = self._accepted[path, content_type] = found
        attempt = self._start(accepted.handler, accepted.version, send, ended, loop, headers)
        attempt.answer_engine()
        return attempt
