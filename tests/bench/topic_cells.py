"""The cells of topics: what is produced to which handler, and how much of it is under way."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.endpoints import ENDPOINTS, TYPESCRIPT, UVICORN
from tests.bench.systems import EMBEDDED, KAFKA, NAMES, RESTATE, RESTATE_4

TO_OBJECT, TO_TOPIC, INGRESS = "topic-to-object", "topic-to-topic", "ingress-topic"


@dataclass(frozen=True)
class TopicCell:
    """`in_flight` 0: a burst, produced as fast as the broker takes it."""

    endpoint: str
    flow_name: str
    in_flight: int
    systems: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.endpoint}/{self.flow_name}@{self.in_flight or 'burst'}"


_OURS = (EMBEDDED, KAFKA)
# Restate sends nothing to a topic: beside ours is a handler that produces in a step, which only
# the Python services can, and which may do it twice.
TOPIC_CELLS = (
    TopicCell(TYPESCRIPT, TO_OBJECT, 0, NAMES),
    TopicCell(UVICORN, TO_OBJECT, 0, NAMES),
    TopicCell(TYPESCRIPT, TO_TOPIC, 1, _OURS),
    TopicCell(UVICORN, TO_TOPIC, 1, (*_OURS, RESTATE, RESTATE_4)),
    TopicCell(TYPESCRIPT, INGRESS, 64, _OURS),
    TopicCell(UVICORN, INGRESS, 64, _OURS),
)


def topic_cells(only: list[str]) -> list[TopicCell]:
    """All, or those whose name holds one of the texts; cells of one endpoint together."""
    chosen = [cell for cell in TOPIC_CELLS if not only or any(text in cell.name for text in only)]
    return sorted(chosen, key=lambda cell: ENDPOINTS.index(cell.endpoint))
