"""One attempt as a light service sees it: replay by completion id, and little else."""

from collections.abc import Callable, Generator

from perdure import wire
from perdure.wire import Message, codes, encode

Wait = Generator[None, None, None]
Handler = Callable[["Attempt"], Generator[None, None, bytes]]
"""Yields to wait for more of the request; returns the output."""

Say = Callable[[bytes, bool], None]  # bytes of the response, and whether it ends with them


class Suspend(Exception):
    """The attempt ends until what it awaits is there."""


class Attempt:
    """Takes the messages of a request and runs a handler once all that was known is there."""

    def __init__(self, handler: Handler, version: int, say: Say) -> None:
        self.start = wire.Start(b"", "", 0)
        self.value = b""
        self.asked_to_suspend = False
        self.results: dict[int, wire.Notification] = {}
        self.signals: set[int] = set()
        self._handler = handler
        self._version = version
        self._say = say
        self._reader = wire.FrameReader(1 << 30)
        self._left = -1  # known entries that are still to come; -1: Start is
        self._replayed = 0  # commands that are in the journal already
        self._running: Generator[None, None, bytes] | None = None
        self._out: list[bytes] = []

    # --- for handlers ---

    def command(self, message: Message) -> bool:
        """Say it, or know it from the journal; whether it is new."""
        if self._replayed:
            self._replayed -= 1
            return False
        self.say(message)
        return True

    def say(self, message: Message) -> None:
        self._out.append(encode(message, version=self._version))

    def until(self, *ids: int) -> Wait:
        """Wait for all of them on the open stream; suspend if the server asks for it."""
        for number in ids:
            while number not in self.results:
                if self.asked_to_suspend:
                    missing = [one for one in ids if one not in self.results]
                    self.suspend(wire.WireFuture(codes.ALL_COMPLETED, missing))
                yield

    def suspend_until(self, number: int) -> None:
        """Suspend at once unless it is there."""
        if number not in self.results:
            self.suspend(wire.WireFuture(codes.FIRST_COMPLETED, [number]))

    def suspend(self, future: wire.WireFuture) -> None:
        self.say(wire.Suspension(future))
        raise Suspend

    # --- for the connection ---

    def take(self, data: bytes, is_end: bool) -> None:
        for code, _, frame in self._reader.feed(data):
            self._take(code, frame)
        self.asked_to_suspend |= is_end
        if self._left == 0:
            self._go_on()

    def _take(self, code: int, frame: bytes) -> None:
        if self._left < 0:
            self.start = wire.decode_start(frame, wire.HEADER_BYTES)
            self._left = self.start.known_entries
            return
        self._left = max(0, self._left - 1)
        if code == codes.INPUT:
            self.value = wire.decode_input(frame, wire.HEADER_BYTES).value or b""
        elif wire.is_command(code):
            self._replayed += 1
        elif wire.is_notification(code):
            told = wire.decode_notification(code, frame, wire.HEADER_BYTES)
            if told.completion_id:
                self.results[told.completion_id] = told
            elif isinstance(told.signal, int):
                self.signals.add(told.signal)

    def _go_on(self) -> None:
        if self._running is None:
            self._running = self._handler(self)
        is_over = True
        try:
            next(self._running)
            is_over = False
        except StopIteration as stop:
            self.command(wire.OutputCommand(value=stop.value))
            self.say(wire.End())
        except Suspend:
            pass
        if self._out or is_over:
            data = b"".join(self._out)
            self._out.clear()
            self._say(data, is_over)
        if is_over:
            self._left = -2  # what comes now is not for anyone
