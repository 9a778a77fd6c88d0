"""What the service of one attempt has been told of its journal, so that it hears all once. Pure."""

import msgspec

from perdure.wire import command_ack, run_ack


class Delivered(msgspec.Struct, eq=False):
    """Which entries and acknowledgements the stream of an attempt was given."""

    first: int  # entries below it were replayed
    seen: int  # those below it the service has
    acked: int  # commands below it were acknowledged, or replayed
    is_closed: bool = False  # the service hears nothing any more
    proposed: dict[int, bool] = {}  # results of this stream: wants an acknowledgement
    results: set[int] = set()  # of runs, by completion id

    def notify(self, index: int, frame: bytes, completion_id: int) -> bytes:
        """What to send for entry `index` of the journal; b"" if the service has it or hears
        nothing any more; once, however often it is asked for. The stream that proposed a run
        result gets an acknowledgement if it asked for one (V7), else the notification itself."""
        if self.is_closed or index < self.first:
            return b""
        if completion_id:
            # Results of one flush share an index: each is known by its own number.
            if completion_id in self.results:
                return b""
            self.results.add(completion_id)
            if index >= self.seen:
                self.seen = index + 1
            return run_ack(completion_id) if self.proposed.get(completion_id) else frame
        if index < self.seen:
            return b""
        self.seen = index + 1
        return frame

    def acknowledges(self, index: int, completion_id: int) -> bool:
        """Whether entry `index` is the result of a run that this stream is to be told of by its
        number alone; once, as `notify`."""
        results = self.results
        if self.is_closed or completion_id in results or not self.proposed.get(completion_id):
            return False
        results.add(completion_id)
        if index >= self.seen:
            self.seen = index + 1
        return True

    def acknowledge(self, command_index: int) -> bytes:
        """What to send for a durable command of this stream that asked for it; once."""
        if self.is_closed or command_index < self.acked:
            return b""
        self.acked = command_index + 1
        return command_ack(command_index)
