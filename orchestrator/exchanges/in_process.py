"""Services in this process: exchanges without connections.

What either side sends is handed over in the next turn of the loop, with what else came meanwhile,
and what a service answers at once in the same turn: neither side ever runs inside a call of the
other one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from orchestrator.exchanges.apps import Apps, ServiceApp, ServiceAttempt
from orchestrator.exchanges.draining import Draining
from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.pieces import Frames, Pieces
from orchestrator.runtime.scheduler import CallSoon
from perdure.wire.ids import invocation_id_to_str
from perdure.wire.outgoing import run_ack

_log = logging.getLogger("perdure.invoker")

WINDOW_BYTES: Final = 256 * 1024
"""One turn takes no more of an exchange, and while it is held back no more is taken in all."""
_SERVED_AT_ONCE: Final = 64  # exchanges in one callback of the loop


class _Headers(Mapping[str, str]):
    """Of the request of an attempt: made where a handler looks at them."""

    __slots__ = ("_found", "_head", "_id")

    def __init__(self, head: dict[bytes, bytes], invocation_id: bytes | None) -> None:
        self._head = head
        self._id = invocation_id  # unless it is in the head
        self._found: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._found is None:
            head = self._head.items()
            self._found = {name.decode("latin-1"): value.decode("latin-1") for name, value in head}
            if self._id is not None:
                self._found["x-restate-invocation-id"] = invocation_id_to_str(self._id)
        return self._found

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class Link:
    """One exchange and the attempt that answers it."""

    __slots__ = (
        "_acknowledged",
        "_attempt",
        "_has_begun",
        "_inbox",
        "_is_input_over",
        "_is_over",
        "_outbox",
        "_pool",
        "exchange",
        "is_touched",
    )

    def __init__(self, pool: "InProcessPool", exchange: Exchange) -> None:
        self._pool = pool
        self.exchange = exchange
        self._acknowledged: list[int] = []  # results of runs that are stored
        self._inbox = Pieces(exchange.chunks)
        self._outbox = Frames()
        self._attempt: ServiceAttempt | None = None
        self._has_begun = False
        self._is_input_over = False
        self._is_over = False  # the service has said all
        self.is_touched = False

    @property
    def is_busy(self) -> bool:
        return self._attempt is not None and self._attempt.is_busy

    # --- for the exchange ---

    def send(self, exchange: Exchange, data: bytes) -> None:
        self._inbox.add(data)
        self._touch()

    def _acknowledge(self, completion_id: int) -> None:
        """Numbers are handed over before bytes: behind bytes they are bytes, too."""
        if self._inbox.size_bytes:
            self._inbox.add(run_ack(completion_id))
        else:
            self._acknowledged.append(completion_id)
        if not self.is_touched:
            self._pool.touch(self)

    def end(self, exchange: Exchange) -> None:
        self._touch()

    def cancel(self, exchange: Exchange) -> None:
        self._touch()

    def drain(self, exchange: Exchange) -> None:
        self._pool.draining.add(exchange)

    def retire(self, reason: str) -> None:
        """There is no connection that others share."""

    def queued_bytes(self, exchange: Exchange) -> int:
        return self._inbox.size_bytes

    def want_room(self, exchange: Exchange) -> None:
        self._touch()

    def hold_back(self, exchange: Exchange) -> None:
        exchange.unread_bytes = 0
        self._touch()

    # --- from the service ---

    def _take(self, frames: list[bytes]) -> None:
        self._outbox.add(frames)
        if not self.is_touched:
            self._pool.touch(self)

    def _ended(self) -> None:
        self._is_over = True
        self._touch()

    def _touch(self) -> None:
        if not self.is_touched:
            self._pool.touch(self)

    # --- a turn ---

    def serve(self, find: Callable[[], ServiceApp | None], loop: asyncio.AbstractEventLoop) -> None:
        """Hand over what either side has sent. What the service answers at once goes along."""
        exchange, inbox = self.exchange, self._inbox
        if not self._has_begun and not exchange.closed:
            self._begin(find(), loop)
        attempt = self._attempt
        if attempt is not None:
            if self._acknowledged and not self._is_over and not exchange.closed:
                numbers, self._acknowledged = self._acknowledged, []
                attempt.acknowledge(numbers)
            if inbox.size_bytes or exchange.ended or exchange.wants_room:
                self._give(attempt)
        self.is_touched = False
        if attempt is not None and (inbox.size_bytes or exchange.wants_room):
            self._touch()
        self._deliver()

    def _begin(self, app: ServiceApp | None, loop: asyncio.AbstractEventLoop) -> None:
        self._has_begun = True
        exchange = self.exchange
        if app is None:
            self.break_off("there is no such app in this process")
            return
        head = dict(exchange.head)
        content_type = head.get(b"content-type", b"")
        opening, exchange.opening = exchange.opening, None
        headers = _Headers(head, None if opening is None else opening[0].id)
        opened = app.open(head[b":path"], content_type, headers, self._take, self._ended, loop)
        exchange.answered = True
        if isinstance(opened, tuple):
            self._is_over = True
            exchange.receiver.on_response(opened[0], ())
            return
        self._attempt = opened
        exchange.acknowledge = self._acknowledge
        said = ((b"content-type", content_type), (b"x-restate-server", app.server.encode()))
        exchange.receiver.on_response(200, said)
        if opening is not None and not exchange.closed:
            opened.open(*opening)

    def _give(self, attempt: ServiceAttempt) -> None:
        """Hand over what was sent to the service."""
        exchange, inbox = self.exchange, self._inbox
        if exchange.closed or self._is_over:
            inbox.clear()
        elif inbox.size_bytes:
            attempt.feed(inbox.take(WINDOW_BYTES))
        if exchange.wants_room and 2 * inbox.size_bytes <= exchange.room_bytes:
            exchange.wants_room = False
            exchange.receiver.on_drained()
        if exchange.ended and not (
            inbox.size_bytes or exchange.closed or self._is_over or self._is_input_over
        ):
            self._is_input_over = True
            attempt.end_input()

    def _deliver(self) -> None:
        """Hand over what the service has sent."""
        exchange, outbox = self.exchange, self._outbox
        if outbox.size_bytes and not exchange.closed:
            if exchange.is_held_back or outbox.size_bytes > WINDOW_BYTES:
                frames = self._portion()
                if not frames:
                    return
            else:
                frames = outbox.take_all()
            is_last = self._is_over and not outbox.size_bytes
            if is_last:  # nothing that is asked of the link now is to be done any more
                exchange.ended, exchange.carrier, exchange.acknowledge = True, None, None
            exchange.receiver.on_body(frames)
            if is_last:
                self._end()
            elif outbox.size_bytes:
                self._touch()
        elif exchange.closed:
            self.cut()
        elif self._is_over:
            self._end()

    def _portion(self) -> list[bytes]:
        """As much as a turn takes, or less while the exchange is held back."""
        exchange = self.exchange
        unread_bytes = exchange.unread_bytes if exchange.is_held_back else 0
        frames, size_bytes = self._outbox.take(WINDOW_BYTES - unread_bytes, not unread_bytes)
        exchange.unread_bytes = unread_bytes + size_bytes
        return frames

    def _end(self) -> None:
        """All was handed over."""
        exchange = self.exchange
        exchange.closed = exchange.ended = True
        self._pool.forget(self)
        # All are gone at once, without a collector.
        exchange.carrier = exchange.acknowledge = self._attempt = None
        exchange.receiver.on_end()

    def cut(self) -> None:
        """Nobody wants the answer: end the attempt."""
        attempt, self._attempt = self._attempt, None
        is_over, self._is_over = self._is_over, True
        self.exchange.acknowledge = None
        self._inbox.clear()
        self._outbox.clear()
        self._pool.forget(self)
        if attempt is not None and not is_over:
            attempt.lost()

    def break_off(self, reason: str) -> None:
        """End both sides at once."""
        if not self.exchange.closed:
            self.exchange.break_off(reason)
        self.cut()


class InProcessPool:
    """Carries exchanges to one app; used as `Pool` is."""

    def __init__(
        self,
        name: str,
        apps: Apps,
        call_soon: CallSoon,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._name = name
        self._apps = apps
        self._call_soon = call_soon
        self._on_read = on_read
        self._on_batch = on_batch
        self._loop = asyncio.get_running_loop()
        self._links: dict[Link, None] = {}
        self._touched: list[Link] = []
        self.draining = Draining()

    @property
    def is_idle(self) -> bool:
        return not self._links

    def open(self, exchange: Exchange) -> None:
        """Start an exchange in the next turn."""
        exchange.carrier = link = Link(self, exchange)
        exchange.chunks = []
        self._links[link] = None
        self._apps.links[link] = None
        self.touch(link)

    def sweep(self, now_s: float) -> None:
        """Cut off what drains for too long."""
        self.draining.cut_off(now_s)

    def close(self, reason: str) -> None:
        """End all exchanges."""
        for link in list(self._links):
            link.break_off(reason)

    # --- for links ---

    def touch(self, link: Link) -> None:
        """It has something to hand over."""
        link.is_touched = True
        if not self._touched:
            self._call_soon(self._run)
        self._touched.append(link)

    def forget(self, link: Link) -> None:
        self._links.pop(link, None)
        self._apps.links.pop(link, None)

    def _run(self) -> None:
        """One turn: hand over what waits, of so many exchanges."""
        links, self._touched = self._touched[:_SERVED_AT_ONCE], self._touched[_SERVED_AT_ONCE:]
        if self._touched:
            self._call_soon(self._run)
        self._on_read()
        for link in links:
            try:
                link.serve(self._find, self._loop)
            except Exception as error:  # noqa: BLE001 - whatever an app does, the engine goes on
                _log.exception("the app %r failed", self._name)
                link.break_off(f"the app {self._name!r} failed: {error!r}")
        self._on_batch()

    def _find(self) -> ServiceApp | None:
        return self._apps.get(self._name)
