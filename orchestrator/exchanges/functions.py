"""Services that are functions of AWS Lambda: an exchange is one call, request and response whole.

Calls block, so they are made in threads, a bounded number of them; more wait for their turn.
"""

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, Protocol

from orchestrator.exchanges.exchange import Exchange, HeaderLines
from perdure.wire import zstd

CALLS_MAX: Final = 64
"""Threads, and calls that run at once; a call may take 15 minutes."""
EVENT_BYTES_MAX: Final = 6 * 1024 * 1024
"""What AWS Lambda takes, and gives back, at most."""
BODY_BYTES_MAX: Final = (EVENT_BYTES_MAX - 64 * 1024) * 3 // 4
"""Of a request, compressed where the function takes that: it travels in base64 with its headers."""
COMPRESSED_FROM_BYTES: Final = 1024 * 1024
"""Requests below it fit as they are."""
_TOO_LARGE: Final = 413
_ZSTD: Final = zstd.NAME.encode()


class FunctionFailed(Exception):
    """There is no response of a service; the message says why."""


class FunctionReply(NamedTuple):
    """The response of a service, as its function returned it."""

    status: int
    headers: HeaderLines
    body: bytes


class FunctionCaller(Protocol):
    """Calls functions, and waits for them: to be used in threads."""

    def call(self, arn: str, role: str, event: bytes) -> FunctionReply:
        """Call a function, as a role if that is not ""; raises FunctionFailed."""
        ...


class TooLarge(Exception):
    """A request that no function takes."""


def request_event(head: HeaderLines, body: bytes, takes_zstd: bool = False) -> bytes:
    """What a function is called with: a request, in the form of an API gateway's events. Raises
    TooLarge."""
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in head}
    if zstd.is_available():
        fields["accept-encoding"] = zstd.NAME
        if takes_zstd and len(body) >= COMPRESSED_FROM_BYTES:
            fields["content-encoding"] = zstd.NAME
            body = zstd.compress(body)
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge
    event = {
        "path": fields.pop(":path"),
        "httpMethod": fields.pop(":method"),
        "headers": {name: value for name, value in fields.items() if name[:1] != ":"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return json.dumps(event).encode()


def read_reply(payload: bytes) -> FunctionReply:
    """What a function returned; FunctionFailed if it is no response."""
    try:
        found: dict[str, Any] = json.loads(payload)
        text = found.get("body") or ""
        body = base64.b64decode(text) if found.get("isBase64Encoded") else text.encode()
        headers = tuple(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (found.get("headers") or {}).items()
        )
        if (b"content-encoding", _ZSTD) in headers:
            body = zstd.decompress(body, "perdure-server[lambda]")
        return FunctionReply(int(found["statusCode"]), headers, body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Without what it returned, which may be anything.
        raise FunctionFailed(f"the function returned no response of a service: {error!r}") from None


class CallThreads:
    """Threads that make calls, started as they are needed. Used on the event loop alone.

    They do not keep the process: a call that has begun cannot be broken off.
    """

    def __init__(self, count_max: int = CALLS_MAX) -> None:
        self._count_max = count_max
        self._count = 0
        self._under_way_count = 0
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self, call: Callable[[], None]) -> None:
        """Have a call made as soon as a thread is free; `done` follows it."""
        self._under_way_count += 1
        self._work.put(call)
        if self._count < min(self._under_way_count, self._count_max):
            self._count += 1
            threading.Thread(target=self._run, name="function-call", daemon=True).start()

    def done(self) -> None:
        self._under_way_count -= 1

    def _run(self) -> None:
        while True:
            self._work.get()()


class FunctionPool:
    """Carries exchanges to one function; used as `Pool` is."""

    def __init__(
        self,
        arn: str,
        role: str,
        caller: FunctionCaller,
        threads: CallThreads,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
        takes_zstd: bool = False,
    ) -> None:
        """`takes_zstd`: the function has said so in its manifest."""
        self._arn = arn
        self._role = role
        self._takes_zstd = takes_zstd and zstd.is_available()
        self._body_bytes_max = zstd.BODY_BYTES_MAX if self._takes_zstd else BODY_BYTES_MAX
        self._caller = caller
        self._threads = threads
        self._on_read = on_read
        self._on_batch = on_batch
        self._loop = asyncio.get_running_loop()
        self._body_bytes: dict[Exchange, int] = {}  # of requests that are not answered yet

    @property
    def is_idle(self) -> bool:
        return not self._body_bytes

    def open(self, exchange: Exchange) -> None:
        """Take a request, and call the function once it is whole."""
        exchange.carrier = self
        self._body_bytes[exchange] = sum(map(len, exchange.chunks))
        if exchange.ended:
            self._call(exchange)
        elif exchange.wants_room:
            self.want_room(exchange)

    def sweep(self, now_s: float) -> None:
        """Nothing is kept open."""

    def close(self, reason: str) -> None:
        """Break off all exchanges."""
        for exchange in list(self._body_bytes):
            self._settle(exchange, FunctionFailed(reason))

    # --- for exchanges ---

    def send(self, exchange: Exchange, data: bytes) -> None:
        exchange.chunks.append(data)
        self._body_bytes[exchange] += len(data)
        if self._body_bytes[exchange] > self._body_bytes_max:
            # Not here: who sends is in the midst of it.
            self._loop.call_soon(self._settle, exchange, FunctionReply(_TOO_LARGE, (), b""))

    def end(self, exchange: Exchange) -> None:
        self._call(exchange)

    def cancel(self, exchange: Exchange) -> None:
        self._body_bytes.pop(exchange, None)

    def drain(self, exchange: Exchange) -> None:
        """All of the response is here when any of it is."""

    def retire(self, reason: str) -> None:
        """There is no connection that others share."""

    def queued_bytes(self, exchange: Exchange) -> int:
        return 0

    def want_room(self, exchange: Exchange) -> None:
        self._loop.call_soon(self._report_room, exchange)

    def hold_back(self, exchange: Exchange) -> None:
        """A response is at most 6 MB, and here at once."""

    # --- inside ---

    def _report_room(self, exchange: Exchange) -> None:
        if exchange.wants_room and not exchange.closed:
            exchange.wants_room = False
            exchange.receiver.on_drained()

    def _call(self, exchange: Exchange) -> None:
        if self._body_bytes.get(exchange, 0) > self._body_bytes_max:
            self._loop.call_soon(self._settle, exchange, FunctionReply(_TOO_LARGE, (), b""))
            return
        chunks, exchange.chunks = exchange.chunks, []
        self._threads.run(partial(self._work, exchange, chunks))

    def _work(self, exchange: Exchange, chunks: Sequence[bytes]) -> None:
        """In a thread."""
        result: FunctionReply | FunctionFailed
        try:
            if exchange.closed:
                raise FunctionFailed("nobody waits any more")
            event = request_event(exchange.head, b"".join(chunks), self._takes_zstd)
            result = self._caller.call(self._arn, self._role, event)
        except FunctionFailed as failed:
            result = failed
        except TooLarge:
            result = FunctionReply(_TOO_LARGE, (), b"")
        except Exception as error:  # noqa: BLE001 - whatever the library raises, somebody waits
            result = FunctionFailed(f"the function cannot be called: {error!r}")
        try:
            self._loop.call_soon_threadsafe(self._done, exchange, result)
        except RuntimeError:
            pass  # the loop has ended meanwhile

    def _done(self, exchange: Exchange, result: FunctionReply | FunctionFailed) -> None:
        self._threads.done()
        self._settle(exchange, result)

    def _settle(self, exchange: Exchange, result: FunctionReply | FunctionFailed) -> None:
        if self._body_bytes.pop(exchange, None) is None or exchange.closed:
            return
        self._on_read()
        exchange.answered = True
        if isinstance(result, FunctionFailed):
            exchange.break_off(str(result))
        else:
            exchange.receiver.on_response(result.status, result.headers)
            if result.body:
                exchange.receiver.on_body(result.body)
            exchange.closed = exchange.ended = True
            exchange.receiver.on_end()
        self._on_batch()
