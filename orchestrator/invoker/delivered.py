"""What the service of one attempt has been told of its journal, so that it hears all once. Pure."""

from orchestrator.invoker.port import AttemptInput
from perdure.wire import command_ack, run_ack


class Delivered:
    """Which entries and acknowledgements the stream of an attempt was given."""

    __slots__ = ("_acked", "_first", "_results", "is_closed", "proposed", "seen")

    def __init__(self, given: AttemptInput) -> None:
        self._first = self.seen = given.entries
        self._acked = given.commands  # below it all were acknowledged, or replayed
        self._results: set[int] = set()  # of runs, by completion id
        self.proposed: dict[int, bool] = {}  # results of this stream: wants an acknowledgement
        self.is_closed = False  # the service hears nothing any more

    def notify(self, index: int, frame: bytes, completion_id: int) -> bytes:
        """What to send for entry `index` of the journal; b"" if the service has it or hears
        nothing any more; once, however often it is asked for. The stream that proposed a run
        result gets an acknowledgement if it asked for one (V7), else the notification itself."""
        if self.is_closed or index < self._first:
            return b""
        if completion_id:
            # Results of one flush share an index: each is known by its own number.
            if completion_id in self._results:
                return b""
            self._results.add(completion_id)
            if index >= self.seen:
                self.seen = index + 1
            return run_ack(completion_id) if self.proposed.get(completion_id) else frame
        if index < self.seen:
            return b""
        self.seen = index + 1
        return frame

    def acknowledge(self, command_index: int) -> bytes:
        """What to send for a durable command of this stream that asked for it; once."""
        if self.is_closed or command_index < self._acked:
            return b""
        self._acked = command_index + 1
        return command_ack(command_index)
