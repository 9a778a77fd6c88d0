"""What the engine asks of a broker cluster. Nothing blocks; answers come by callback on the loop.

Every question is answered once, by a value or by BrokerTrouble, within its deadline; only
`make_topic` makes one. After `close` nothing is answered.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from orchestrator.brokers.reader_port import InRecord

QUESTION_S: Final = 5.0
"""How long a question may take before the brokers count as out of reach."""

BAD_OPTIONS: Final = "PD0601"
OUT_OF_REACH: Final = "PD0602"
CREDENTIALS: Final = "PD0603"
RIGHTS: Final = "PD0604"
NOT_MADE: Final = "PD0605"
UNDECIDED: Final = "PD0606"


class BrokerTrouble(msgspec.Struct, frozen=True):
    """Why a question has no answer; with `passes` it may have one later. `code` is one of those
    above."""

    code: str
    message: str
    passes: bool = False


class TopicFact(msgspec.Struct, frozen=True):
    """A topic that exists; `topic_id` is Kafka's, of 16 bytes, another one once it is made anew."""

    name: str
    topic_id: bytes
    partition_count: int


class FoundTopics(msgspec.Struct, frozen=True):
    """Those that exist of the topics asked for, by name, on the Kafka cluster of the id. Of those
    `refused` the user may not even know whether they do."""

    kafka_id: str
    topics: Mapping[str, TopicFact]
    refused: Mapping[str, BrokerTrouble] = {}


EARLIEST: Final = -2
LATEST: Final = -1
"""Points for `TopicFacts.offsets` beside times in ms since 1970, as Kafka's protocol has them."""

OnTopics = Callable[[FoundTopics | BrokerTrouble], None]
OnMade = Callable[[bool | BrokerTrouble], None]
OnRecord = Callable[[InRecord | BrokerTrouble | None], None]
OnOffsets = Callable[[tuple[int, ...] | BrokerTrouble], None]
OnMembers = Callable[[tuple[str, ...] | BrokerTrouble], None]
OnEnds = Callable[[Mapping[str, tuple[int, ...]] | BrokerTrouble], None]


class TopicFacts(Protocol):
    """Facts about the topics of one broker cluster, as they are now."""

    def topics(self, names: Sequence[str], on_found: OnTopics) -> None:
        """Those that exist, whichever may be asked for."""
        ...

    def offsets(self, topic: TopicFact, point: int, on_found: OnOffsets) -> None:
        """For each partition of `topic`, from 0, the offset of a point.

        EARLIEST is the first record there is. LATEST is the offset the next record will have, or
        where the first open transaction begins: what is committed later comes after it. A time in
        ms is the first record of that time or later, LATEST if there is none.
        """
        ...

    def ends(self, topics: Sequence[TopicFact], on_found: OnEnds) -> None:
        """LATEST of all partitions of several topics, by name; those that are gone are left out."""
        ...

    def committed(self, group: str, topic: TopicFact, on_found: OnOffsets) -> None:
        """For each partition the offset that a consumer group has committed, -1 where none."""
        ...

    def record(self, topic: TopicFact, partition: int, offset: int, on_found: OnRecord) -> None:
        """One record; None if it is not there any more, or was never committed."""
        ...

    def make_topic(
        self, name: str, partition_count: int, settings: Mapping[str, str], on_made: OnMade
    ) -> None:
        """Make a topic of the engine's where it is missing; whether it was. What the brokers
        refuse is a NOT_MADE that does not pass."""
        ...

    def members(self, group: str, on_found: OnMembers) -> None:
        """Names of the consumers that are in a group now; none of one that may not be seen."""
        ...

    def close(self) -> None: ...
