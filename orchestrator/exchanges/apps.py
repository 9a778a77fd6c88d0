"""Apps that this process runs itself, by the host of their origin: `inproc://<name>`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from perdure.wire import InputCommand, Start

SCHEME: Final = "inproc"


class ServiceAttempt(Protocol):
    """One attempt in a service. Nothing of it raises or blocks."""

    def open(self, start: Start, given: InputCommand, /) -> None:
        """The first messages, instead of their bytes, where no more entries are stored."""

    def feed(self, data: bytes, /) -> None:
        """More of the request's body, cut anywhere."""

    def acknowledge(self, completion_ids: list[int], /) -> None:
        """Results of runs that it has sent are stored; before what is fed after this."""

    def end_input(self) -> None:
        """The request's body is over."""

    def lost(self) -> None:
        """Nobody wants its answer any more: it sends nothing from here on."""

    @property
    def is_busy(self) -> bool:
        """Whether it does something by itself: a step, a thread, something of asyncio."""
        ...


Declined = tuple[int, str]
"""Status and reason of a request that is not taken."""


class ServiceApp(Protocol):
    """Services that can run in this process."""

    @property
    def server(self) -> str:
        """Name and version of its SDK, as in `x-restate-server`."""
        ...

    def manifest(self, version: int) -> bytes:
        """The endpoint manifest of this version, in JSON."""
        ...

    def open(
        self,
        path: bytes,
        content_type: bytes,
        headers: Mapping[str, str],
        send: Callable[[list[bytes]], None],
        ended: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> ServiceAttempt | Declined:
        """Begin an attempt of the handler that `/invoke/<service>/<handler>` names.

        `send` takes whole frames of the response, where the result of a run may be the notification
        that is to be stored; it is acknowledged then, from V7 on. `ended` is called once, after the
        last of them, and neither is after `lost`.
        """
        ...


class RunningLink(Protocol):
    """An exchange with an app."""

    @property
    def is_busy(self) -> bool: ...

    def cut(self) -> None: ...


class Apps:
    """What is registered, and the exchanges under way."""

    def __init__(self) -> None:
        self._by_name: dict[str, ServiceApp] = {}
        self.links: dict[RunningLink, None] = {}

    def put(self, name: str, app: ServiceApp) -> None:
        """Attempts that begin from now on run in this app."""
        self._by_name[name] = app

    def get(self, name: str) -> ServiceApp | None:
        return self._by_name.get(name)

    @property
    def is_busy(self) -> bool:
        """Whether an attempt does something by itself."""
        return any(link.is_busy for link in self.links)

    def cut(self) -> None:
        """As if the process had died: end all attempts; nobody is told."""
        for link in list(self.links):
            link.cut()
