"""What a partition has handed to the log and has not been told of yet."""

from orchestrator.model.records import AnyRecord
from orchestrator.processor.waiters import Waiter


class Flight:
    """One append: its messages, their records as objects, and who waits for each record."""

    __slots__ = ("at_s", "messages", "parts", "waits")

    def __init__(
        self,
        messages: list[bytes],
        parts: list[list[AnyRecord]],
        waits: list[Waiter | None],
        at_s: float,
    ) -> None:
        self.messages = messages
        self.parts = parts
        self.waits = waits
        self.at_s = at_s

    def records(self) -> list[AnyRecord]:
        return [record for part in self.parts for record in part]
