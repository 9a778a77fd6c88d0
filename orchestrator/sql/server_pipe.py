"""The child's end of the pipes. DataFusion reads tables in several threads, of which one uses the
pipe at a time. All scans of a query are opened when the first of them is pulled, so that they show
one moment. Threads that still read ahead for a query that is done get the end of their scan.
"""

from collections.abc import Iterator
from threading import Lock
from typing import BinaryIO

from orchestrator.sql import pipe
from orchestrator.tables.port import Pair


class ServerPipe:
    """Asks the server for rows, and sends it the answer."""

    def __init__(self, inward: BinaryIO, outward: BinaryIO) -> None:
        self._inward = inward
        self._outward = outward
        self._lock = Lock()
        self._last_number = 0
        self._planned: dict[int, pipe.Scan] = {}
        self._open: set[int] = set()

    def next_question(self) -> pipe.Ask | None:
        """None once the server has closed the pipe."""
        with self._lock:
            message = pipe.read_message(self._inward)
        return message if isinstance(message, pipe.Ask) else None

    def plan(self, source: str, kinds: list[bytes], starts: list[bytes]) -> int:
        """A scan that the query is going to read: its number."""
        with self._lock:
            self._last_number += 1
            scan = pipe.Scan(self._last_number, source, kinds, starts)
            self._planned[scan.number] = scan
            return scan.number

    def rows(self, number: int) -> Iterator[Pair]:
        """The rows of a scan, as they are taken."""
        last = False
        while not last:
            some, last = self._more(number)
            yield from some

    def _more(self, number: int) -> tuple[list[Pair], bool]:
        with self._lock:
            if number in self._planned:
                pipe.write_message(self._outward, pipe.Open(list(self._planned.values())))
                self._open.update(self._planned)
                self._planned.clear()
            if number not in self._open:
                return [], True
            pipe.write_message(self._outward, pipe.More(number))
            given = pipe.read_message(self._inward)
            if not isinstance(given, pipe.RawRows):
                raise EOFError("the server went away")
            if given.last:
                self._open.discard(number)
            return given.rows, given.last

    def send(self, part: bytes) -> None:
        """Part of the answer."""
        with self._lock:
            pipe.write_message(self._outward, pipe.Part(part))

    def done(self, outcome: pipe.AnswerDone) -> None:
        """The end of the answer, and of all that was read for it."""
        with self._lock:
            self._planned.clear()
            self._open.clear()
            pipe.write_message(self._outward, outcome)
