"""The in-flight append: what a partition has handed to the log and has not applied yet."""

from orchestrator.model.records import AnyRecord
from orchestrator.processor.proposals import Proposal

UNACKNOWLEDGED = -1


class InFlightAppend:
    """One append: its messages, the records in each, the proposals of all of these in the same
    order, and where the log has put them.

    `first` is the offset of the first message once the log has acknowledged the append. What was
    acknowledged but has others' messages before it stays in flight until those have been read.
    """

    __slots__ = ("at_s", "first", "messages", "parts", "proposals")

    def __init__(
        self,
        messages: list[bytes],
        parts: list[list[AnyRecord]],
        proposals: list[Proposal],
        at_s: float,
    ) -> None:
        self.messages = messages
        self.parts = parts
        self.proposals = proposals
        self.at_s = at_s
        self.first = UNACKNOWLEDGED

    @property
    def is_acknowledged(self) -> bool:
        return self.first != UNACKNOWLEDGED

    @property
    def bytes_count(self) -> int:
        return sum(map(len, self.messages))
