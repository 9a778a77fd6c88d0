"""Records of earlier transactions that are neither committed nor aborted. It blocks, and is for
threads.

Brokers end the transaction of a writer that is gone, by a marker in each of its partitions, before
they let the next one in. Those of Kafka 4.3 and 4.4 leave out partitions without a leader
(KAFKA-20734): their records stay undecided until the next marker of that writer's id comes by, of
another transaction, and are decided by it. What was sent anew would be there twice, or what was
committed would be lost. So nothing is written to a topic before all that it held is decided.
"""

import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    OffsetSpec,
)

from orchestrator.brokers.facts_port import UNDECIDED
from orchestrator.brokers.kafka.configs import WriterOptions
from orchestrator.kafka.clients import ignored, make_admin
from orchestrator.kafka.errors import REQUEST_S, error_of

Place = tuple[str, int]
"""A topic and a partition."""

SHORT_S: Final = 0.25
"""So long the end of a transaction is waited for: other lanes of the writer wait, too."""

_LOOK_S: Final = 0.005


class Undecided:
    """What one writer may not write to yet, since it was opened or something failed."""

    def __init__(self, options: WriterOptions) -> None:
        self._options = options
        self._ends: dict[Place, int] = {}  # as they were when a place was first looked at

    def look(self, places: Collection[Place]) -> dict[str, str]:
        """By topic, why it has to wait: what one of its places held when it was first looked at is
        not decided yet. Raises KafkaException, OperatingError."""
        admin = make_admin(self._options.client(), ignored)
        reasons: dict[str, str] = {}
        ends = _listed(admin, places, IsolationLevel.READ_UNCOMMITTED, reasons)
        for place, end in ends.items():  # less than before: a topic that was made anew
            self._ends[place] = min(end, self._ends.get(place, end))
        left = list(ends)
        give_up = time.monotonic() + SHORT_S
        while left:
            stable = _listed(admin, left, IsolationLevel.READ_COMMITTED, reasons)
            left = [place for place, offset in stable.items() if offset < self._ends[place]]
            if not left or time.monotonic() > give_up:
                break
            time.sleep(_LOOK_S)
        for place in left:
            reasons.setdefault(place[0], _reason(place, stable))
        return reasons

    def forget(self) -> None:
        """Another transaction may have been left undecided."""
        self._ends.clear()


def _listed(
    admin: AdminClient,
    places: Collection[Place],
    level: IsolationLevel,
    reasons: dict[str, str],
) -> dict[Place, int]:
    """Where places end for readers of that level; topics whose brokers do not tell get a reason."""
    if not places:
        return {}
    found: dict[Place, int] = {}
    asked = {
        TopicPartition(*place): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for place in places
    }
    answers = admin.list_offsets(asked, isolation_level=level, request_timeout=REQUEST_S)
    for place, future in answers.items():
        try:
            found[place.topic, place.partition] = future.result().offset
        except KafkaException as raised:
            text = f"topic {place.topic}, partition {place.partition}: {error_of(raised).str()}"
            reasons.setdefault(place.topic, text)
    return found


def _reason(place: Place, stable: Mapping[Place, int]) -> str:
    topic, partition = place
    return (
        f"topic {topic}, partition {partition}: a transaction from offset {stable[place]} on has"
        f" not ended, and nothing is sent before it has: perdure explain {UNDECIDED}"
    )
