"""Names of hosts to addresses, in threads of its own.

The system's look-up blocks, cannot be cancelled and may hang for a minute. So each runs in a thread
that nothing else uses, one per name at a time, and its callers have a deadline. A name that hangs
keeps its one thread; others are looked up beside it. Addresses in numbers need no thread.
"""

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable
from threading import Thread
from typing import Final

LOOK_UP_S: Final = 5.0  # for one look-up, as its callers see it
THREADS_MAX: Final = 32  # look-ups at once; more names wait until one ends, or for their deadline

LookUp = Callable[[str], list[str]]


def system_look_up(host: str) -> list[str]:
    """All addresses of a host, best first, without doubles; raises OSError or ValueError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class HostResolver:
    """Belongs to one event loop."""

    def __init__(self, look_up: LookUp = system_look_up, threads_max: int = THREADS_MAX) -> None:
        self._look_up = look_up
        self._threads_max = threads_max
        self._wanted: dict[str, asyncio.Future[list[str]]] = {}  # asked for, running or queued
        self._queued: OrderedDict[str, None] = OrderedDict()
        self._thread_count = 0

    async def addresses(self, host: str, deadline_s: float = LOOK_UP_S) -> list[str]:
        """Addresses of a host, at least one; raises OSError, TimeoutError or ValueError (a name
        that cannot be one, such as `a..b`)."""
        if _is_numeric(host):
            return [host]
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.shield(self._ask(host))
        except TimeoutError:
            raise TimeoutError(f"the look-up of {host!r} took over {deadline_s:.0f} s") from None

    def _ask(self, host: str) -> asyncio.Future[list[str]]:
        asked = self._wanted.get(host)
        if asked is None:
            asked = self._wanted[host] = asyncio.get_running_loop().create_future()
            self._queued[host] = None
            self._start_queued()
        return asked

    def _start_queued(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queued and self._thread_count < self._threads_max:
            host, _ = self._queued.popitem(last=False)
            self._thread_count += 1
            # A daemon: one that hangs does not keep the process from ending.
            Thread(target=self._run, args=(loop, host), name="look-up", daemon=True).start()

    def _run(self, loop: asyncio.AbstractEventLoop, host: str) -> None:
        found: list[str] | OSError | ValueError
        try:
            found = self._look_up(host) or OSError(f"{host!r} has no address")
        except (OSError, ValueError) as error:
            found = error
        try:
            loop.call_soon_threadsafe(self._found, host, found)
        except RuntimeError:
            return  # the loop has ended meanwhile

    def _found(self, host: str, found: list[str] | OSError | ValueError) -> None:
        self._thread_count -= 1
        asked = self._wanted.pop(host)
        if isinstance(found, list):
            asked.set_result(found)
        else:
            asked.set_exception(found)
            asked.exception()  # retrieve it: nobody may be waiting any more
        self._start_queued()


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
