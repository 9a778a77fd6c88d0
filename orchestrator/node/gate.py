"""The door of a node: closed while it starts, while it ends, and while the log takes nothing."""

from collections.abc import Callable


class NodeGate:
    """`writable` is the engine's word: "" or why new work is not taken."""

    def __init__(self, writable: Callable[[], str]) -> None:
        self._writable = writable
        self._closed = "this server is starting"

    def open(self) -> None:
        self._closed = ""

    def close(self) -> None:
        self._closed = "this server is shutting down"

    def closed_to_work(self) -> str:
        return self._closed or self._writable()

    def closed_to_reads(self) -> str:
        return self._closed
