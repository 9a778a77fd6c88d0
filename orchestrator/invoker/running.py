"""An attempt that runs: the state machine, its exchange, and what the shell knows of it."""

from collections.abc import Sequence
from functools import cache
from typing import Final, Protocol

from orchestrator.exchanges.exchange import Exchange
from orchestrator.invoker import codes
from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.feed import Feed
from orchestrator.invoker.placing import Placement
from orchestrator.invoker.port import AttemptInput, LedPartition
from orchestrator.invoker.retry_after import parse_retry_after
from orchestrator.invoker.urgency import NOTHING
from orchestrator.invoker.window import OpeningWindow
from perdure.wire import media_type

_CODES_BY_STATUS: Final = {
    413: (codes.CONTENT_TOO_LARGE, "the service refuses the request as too large"),
    415: (codes.VERSION_DROPPED, "the service does not speak this protocol version any more"),
    429: (codes.RATE_LIMITED, "the service is being asked too much"),
    502: (codes.NETWORK, "the service cannot be reached behind its gateway"),
    503: (codes.RATE_LIMITED, "the service is not available now"),
    504: (codes.NETWORK, "the service cannot be reached behind its gateway"),
}


@cache
def _content_type(protocol: int) -> bytes:
    return media_type(protocol).encode()


def _shown_type(content_type: bytes) -> str:
    if not content_type:
        return "no content type"
    return f"the content type {content_type[:128].decode('latin-1')}"


class Shell(Protocol):
    """Who keeps running attempts."""

    read_at_ms: int  # Unix time and monotonic time of the last read of any connection
    read_touch_ms: int

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...

    def flush(self, running: "RunningAttempt", wants: int) -> None:
        """It has something to propose, with a higher urgency than before."""
        ...

    def hold_memory(self, running: "RunningAttempt", size_bytes: int) -> bool:
        """Count memory an attempt needs; False if that is more than there is."""
        ...

    def wait_for_memory(self, running: "RunningAttempt") -> bool:
        """Hold its service back until there is memory; False if too many wait already."""
        ...

    def opened(self, running: "RunningAttempt", took_ms: int) -> None:
        """Its service has begun with it."""
        ...

    def over(self, running: "RunningAttempt") -> None:
        """It has ended: take its records, give its slot to the next attempt."""
        ...

    def begin_again(self, running: "RunningAttempt", reason: str) -> None:
        """The service never saw it."""
        ...

    def linger(self, invocation_id: bytes, exchange: Exchange, abort_ms: int) -> None:
        """It is given up; its handler may end the stream by itself."""
        ...


class RunningAttempt:
    """One attempt; listens to the response of its exchange."""

    __slots__ = (
        "_media_type",
        "_shell",
        "abort_ms",
        "attempt",
        "begun_ms",
        "deployment",
        "duplex",
        "exchange",
        "fed_bytes",
        "feed",
        "flushing",
        "held_bytes",
        "id",
        "inactivity_ms",
        "incarnation",
        "is_told",
        "look_ms",
        "memory_bytes",
        "number",
        "opening",
        "restart_count",
        "source",
        "start_bytes",
        "started_at_ms",
        "touched_ms",
        "window",
    )

    def __init__(
        self,
        shell: Shell,
        source: LedPartition,
        given: AttemptInput,
        attempt: Attempt,
        where: Placement,
        duplex: bool,
        window: OpeningWindow,
        now_ms: int,
    ) -> None:
        self._shell = shell
        self.source = source
        self.id = given.invoke.id
        self.incarnation = given.incarnation
        self.number = given.attempt
        self.attempt = attempt
        self.deployment = where.deployment.id
        handler = where.handler
        self.inactivity_ms = handler.inactivity_timeout_ms
        self.abort_ms = handler.abort_timeout_ms
        self.duplex = duplex
        self.window = window
        self.feed = Feed(attempt, given.entries, given.replay_end)
        self.fed_bytes = 0  # read from the journal for it, and perhaps not sent yet
        self.opening = True  # counts as not answered yet; `Openings` changes it
        self.exchange: Exchange | None = None
        self.flushing = NOTHING  # the urgency with which it waits to be flushed
        self.held_bytes = 0  # of a message that is half received
        self.start_bytes = 0  # of the request, until the service has said something
        self.memory_bytes = 0  # all of it
        self.restart_count = 0
        self.look_ms = 0  # when the sweep looks at it; 0: it does not
        self.started_at_ms = now_ms
        self.begun_ms = self.touched_ms = shell.monotonic_ms()
        self.is_told = False  # something, since its service has said anything
        self._media_type = _content_type(attempt.protocol)

    @property
    def may_close(self) -> bool:
        """Whether half-closing it would make the service suspend."""
        return self.duplex and not self.attempt.input_closed and not self.attempt.over

    @property
    def is_held_back(self) -> bool:
        """Its service may say no more than a window holds."""
        return self.exchange is not None and self.exchange.is_held_back

    # --- to the service ---

    def send(self, data: bytes) -> None:
        """What a service is told counts as activity once, until it says something: else one that
        hangs would not be found out while others go on to send it signals."""
        if not self.is_told:
            self._note_told()
        if self.exchange is not None:
            self.exchange.send(data)

    def _note_told(self) -> None:
        self.is_told = True
        self.touched_ms = self._shell.monotonic_ms()

    def deliver(self, index: int, frame: bytes, completion_id: int) -> None:
        """Entry `index` of the journal; if there is no room, it is read again later."""
        feed, exchange = self.feed, self.exchange
        if feed.is_behind or feed.is_replaying:
            return
        if exchange is not None:
            acknowledge = exchange.acknowledge
            if (
                acknowledge is not None
                and completion_id
                and self.attempt.delivered.acknowledges(index, completion_id)
            ):
                if not self.is_told:
                    self._note_told()
                acknowledge(completion_id)
                return
            size_bytes = len(frame)
            more_than_usual = exchange.sent_bytes + size_bytes > exchange.room_bytes
            if more_than_usual and not exchange.has_room(size_bytes):
                feed.is_behind = True
                exchange.want_room()
                return
        data = self.attempt.delivered.notify(index, frame, completion_id)
        if data:
            self.send(data)

    def on_drained(self) -> None:
        """There is room on the stream: send more of the journal."""
        exchange = self.exchange
        if exchange is None or self.attempt.over or self.feed.is_direct:
            return
        self.touched_ms = self._shell.monotonic_ms()
        was_replaying = self.feed.is_replaying
        for data in self.read_journal(exchange.room_bytes):
            exchange.send(data)
        if self.attempt.input_closed and not self.feed.is_replaying:
            if was_replaying:
                exchange.end()
        elif not self.feed.is_direct:
            exchange.want_room()

    def read_journal(self, bytes_max: int) -> list[bytes]:
        """Read the next entries that have to be sent."""
        feed = self.feed
        read = self.source.entries_from(
            self.id, self.incarnation, feed.place, feed.read_to, bytes_max
        )
        if read is None:
            return []  # it is over, and about to be stopped
        parts = feed.take(*read)
        size_bytes = sum(map(len, parts))
        self._shell.hold_memory(self, size_bytes - self.fed_bytes)
        self.fed_bytes = size_bytes
        return parts

    def half_close(self) -> None:
        """Send nothing more to the service: it should suspend at its next await."""
        if self.attempt.input_closed:
            return
        self.attempt.close_input()
        self.touched_ms = self._shell.monotonic_ms()
        if self.exchange is not None and not self.feed.is_replaying:
            self.exchange.end()

    def drop(self) -> None:
        """Break it off; nothing of it is proposed any more."""
        self.attempt.discard()
        if self.exchange is not None:
            self.exchange.cancel()

    def time_out(self, message: str) -> None:
        """End it because its service makes no progress. A handler that is in the middle of a step
        may go on until that is over, and then find that its request has ended."""
        self._note_sent()
        exchange, carrier = self.exchange, None if self.exchange is None else self.exchange.carrier
        if exchange is not None and carrier is not None and not self.attempt.over:
            self.exchange = None
            self._shell.linger(self.id, exchange, self.abort_ms)
            carrier.retire(message)
        self.fail(codes.ABORT_TIMEOUT, message)

    def fail(self, restate_code: str, message: str, asked_delay_ms: int | None = None) -> None:
        """End it from this side, as a failure."""
        if self.attempt.over:
            return
        self.touched_ms = self._shell.monotonic_ms()
        self.attempt.fail(restate_code, message, self._shell.now_ms(), asked_delay_ms)
        if self.exchange is not None:
            self.exchange.cancel()
        self._shell.over(self)

    # --- from the service ---

    def on_response(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        shell = self._shell
        self.touched_ms = touched_ms = shell.read_touch_ms
        if self.opening:
            shell.opened(self, touched_ms - self.begun_ms)
        found = dict(headers)
        server = found.get(b"x-restate-server")
        if server is not None:
            self.attempt.server = server.decode("utf-8", "replace")[:256]
        content_type = found.get(b"content-type", b"")
        if not 200 <= status < 300:
            self._refused(status, found.get(b"retry-after", b""))
        elif content_type == self._media_type:
            self.attempt.reached = True
        else:
            self.fail(
                codes.PROTOCOL_VIOLATION,
                f"the response has {_shown_type(content_type)}, not {self._media_type.decode()}",
            )

    def _refused(self, status: int, retry_after: bytes) -> None:
        restate_code, why = _CODES_BY_STATUS.get(
            status, (codes.PROTOCOL_VIOLATION, "the service refuses the request")
        )
        delay_ms = None
        if restate_code == codes.RATE_LIMITED and retry_after:
            delay_ms = parse_retry_after(retry_after.decode("latin-1"), self._shell.now_ms())
        self.fail(restate_code, f"{why}: HTTP status {status:03}", delay_ms)

    def on_body(self, data: bytes | list[bytes]) -> None:
        shell, attempt = self._shell, self.attempt
        self.touched_ms = shell.read_touch_ms
        self.is_told = False
        if self.start_bytes:
            # It begins to speak once it has everything.
            shell.hold_memory(self, -self.start_bytes)
            self.start_bytes = 0
        wants = attempt.receive(data, shell.read_at_ms)
        if wants:
            if attempt.over:
                self._on_over()
                return
            if wants > self.flushing:
                shell.flush(self, wants)
        if attempt.in_message or self.held_bytes:
            self._hold(len(data))

    def _on_over(self) -> None:
        if self.exchange is not None:
            if self.attempt.refused:
                self.exchange.cancel()
            else:
                # The service ends its response only once its request has ended.
                self.exchange.drain()
        self._shell.over(self)

    def _hold(self, size_bytes: int) -> None:
        """Count the memory of a half received message. If there is not enough, one attempt of
        each deployment goes on all the same, and the others wait."""
        window = self.window
        if not self.attempt.in_message:
            if window.exceeds is self:
                window.exceeds = None
            self._shell.hold_memory(self, -self.held_bytes)
            self.held_bytes = 0
            return
        self.held_bytes += size_bytes
        if self._shell.hold_memory(self, size_bytes):
            return
        if window.exceeds is None:
            window.exceeds = self
        if window.exceeds is not self and not self._shell.wait_for_memory(self):
            self.fail(codes.GENERIC, "there is no memory for a message this large now")

    def on_end(self) -> None:
        if not self.attempt.over:
            self.touched_ms = self._shell.read_touch_ms
            self.attempt.ended(self._shell.now_ms())
            self._shell.over(self)

    def on_broken(self, reason: str, untouched: bool) -> None:
        if self.attempt.over:
            return
        if untouched and self.attempt.untouched:
            self._shell.begin_again(self, reason)
        else:
            if not untouched:
                self._note_sent()
            self.fail(codes.NETWORK, reason)

    def _note_sent(self) -> None:
        """It failed without a word of its handler, which may have begun all the same: unless no
        connection has carried the request."""
        if self.exchange is not None and self.exchange.carrier is not None:
            self.attempt.reached = True
