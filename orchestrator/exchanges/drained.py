"""Streams that have more to send once the transport has taken what they gave."""

from collections.abc import Callable
from typing import Final

from orchestrator.exchanges.exchange import Exchange

_TOLD_AT_ONCE: Final = 4  # each may queue a window more


class Drained:
    """The streams of one connection that wait for room. A stream is looked at again when its
    peer opened a window, or while the connection could not send everything it was allowed to: so
    a stream that is stuck costs nothing."""

    __slots__ = ("_looked_at", "_queued_bytes", "waiting")

    def __init__(self, queued_bytes: Callable[[int], int]) -> None:
        self._queued_bytes = queued_bytes  # of a stream, by its number
        self.waiting: dict[int, Exchange] = {}  # by the number of its stream
        self._looked_at: dict[int, None] = {}

    def wait(self, exchange: Exchange) -> None:
        """Call its `on_drained` once its queue is half empty."""
        self.waiting[exchange.stream_id] = exchange
        self._looked_at[exchange.stream_id] = None

    def closed(self, stream_id: int) -> None:
        self.waiting.pop(stream_id, None)

    def on_window(self, stream_id: int) -> None:
        """The peer takes more: of one stream, or of all of them (0)."""
        if stream_id in self.waiting:
            self._looked_at[stream_id] = None
        elif not stream_id:
            self._looked_at = dict.fromkeys(self.waiting)

    def report_room(self, all_sent: bool) -> bool:
        """Call `on_drained` of streams that have room now; True if there are more. `all_sent`:
        the connection has sent all it may, so a stream with much queued waits for its peer."""
        told = 0
        for stream_id in list(self._looked_at):
            exchange = self.waiting.get(stream_id)
            if exchange is None or exchange.closed:
                self.waiting.pop(stream_id, None)
                del self._looked_at[stream_id]
            elif self._queued_bytes(stream_id) * 2 <= exchange.room_bytes:
                if told == _TOLD_AT_ONCE:
                    return True
                told += 1
                del self.waiting[stream_id], self._looked_at[stream_id]
                exchange.receiver.on_drained()
            elif all_sent:
                del self._looked_at[stream_id]
        return False
