"""Answers on their way out: a large body goes in pieces, as fast as the client reads.

What waits for a client that reads slowly counts in a budget. When that is full the body of the
slowest is let go, to be read again when its turn comes; a client whose answer cannot be had again
is cut off.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from orchestrator.ingress.budget import Budget, Share, leave
from orchestrator.ingress.exchange import ReadAgain

PIECE_BYTES: Final = 256 * 1024
JOINED_BYTES_MAX: Final = 64 * 1024  # a larger body is written by itself rather than copied
_PIECES_MAX: Final = 16  # in one callback of the loop


class Writer:
    """Writes one answer after the other; `on_sent` says that the transport has all of one."""

    __slots__ = (
        "_again",
        "_asked",
        "_body",
        "_budget",
        "_on_sent",
        "_sent_bytes",
        "_share",
        "_total_bytes",
        "_transport",
        "_unsent_bytes",
        "paused",
        "sending",
    )

    def __init__(
        self, transport: asyncio.Transport, budget: Budget, on_sent: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._budget = budget
        self._on_sent = on_sent
        self.paused = False  # the transport has more than the client takes
        self.sending = False  # a body of which the transport has not all
        self._body: bytes | None = None
        self._again: ReadAgain | None = None
        self._asked = False
        self._sent_bytes = 0
        self._total_bytes = 0
        self._share: Share | None = None
        self._unsent_bytes = 0  # of the transport, when it was last looked at

    def write(self, head: bytes, body: bytes, again: ReadAgain | None) -> None:
        """Write an answer; calls `on_sent` now or later."""
        if len(body) <= JOINED_BYTES_MAX:
            self._transport.write(head + body if body else head)
            if self.paused:
                self._account()
            self._on_sent()
        else:
            self._transport.write(head)
            self._body, self._again = body, again
            self._sent_bytes, self._total_bytes = 0, len(body)
            self.sending = True
            self._send_on()

    def resume(self) -> None:
        """The transport takes more."""
        self.paused = False
        if self._share is not None:
            leave(self._share)
        self._send_on()

    def close(self) -> None:
        """The connection is gone."""
        self.sending = False
        self._body = self._again = None
        if self._share is not None:
            leave(self._share)

    def check_progress(self) -> bool:
        """Once a second while paused: whether the client has taken something since."""
        unsent_bytes = self._transport.get_write_buffer_size()
        gone_bytes = self._unsent_bytes - unsent_bytes  # nothing is written meanwhile
        self._unsent_bytes = unsent_bytes
        if self._share is not None:
            self._share.moved_bytes += max(0, gone_bytes)
        return gone_bytes != 0

    def _send_on(self) -> None:
        """Write pieces until the transport has enough."""
        for _ in range(_PIECES_MAX):
            if not self.sending or self.paused or self._transport.is_closing():
                break
            if self._body is None:
                self._fetch()
                break
            # A copy, so that what the transport holds is not the whole.
            piece = self._body[self._sent_bytes : self._sent_bytes + PIECE_BYTES]
            self._sent_bytes += len(piece)
            self._transport.write(piece)
            if self._sent_bytes == self._total_bytes:
                self.sending = False
                self._body = self._again = None
                self._on_sent()
                break
        else:
            asyncio.get_running_loop().call_soon(self._send_on)
        if self.paused:
            self._account()

    def _fetch(self) -> None:
        assert self._again is not None
        if not self._asked:
            self._asked = True
            self._again(self._fetched)

    def _fetched(self, body: bytes | None) -> None:
        self._asked = False
        if not self.sending:
            return
        if body is None or len(body) != self._total_bytes:
            self._transport.abort()  # its retention has passed meanwhile
        else:
            self._body = body
            self._send_on()

    def _account(self) -> None:
        share = self._share
        if share is None:
            share = self._share = Share(self._give_way)
        self._unsent_bytes = self._transport.get_write_buffer_size()
        share.moved_bytes += PIECE_BYTES  # a client that has just begun is not the slowest
        held_bytes = 0 if self._body is None else self._total_bytes
        self._budget.put(share, self._unsent_bytes + held_bytes)

    def _give_way(self) -> None:
        share = self._share
        assert share is not None
        if self._body is not None and self._again is not None:
            self._body = None
            self._budget.shrink(share, self._transport.get_write_buffer_size())
        else:
            self.close()
            self._transport.abort()
