"""The gate of a node: closed while it starts and while it ends."""

from orchestrator.processor.loop import Processor

STARTING = "this server is starting"
ENDING = "this server is shutting down"


class NodeGate:
    """Why the ingress refuses requests while the node starts or ends; the admin API asks the
    processor itself."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self.unready = processor.engine.writable
        self._closed = ""
        self._shut(STARTING)

    def open(self) -> None:
        self._shut("")

    def close(self) -> None:
        self._shut(ENDING)

    def _shut(self, reason: str) -> None:
        self._closed = reason
        self._processor.refuse_new_work(reason)

    def closed(self) -> str:
        return self._closed
