"""What a simulated process reads topics with, and writes to them: the engine's own shells over a
broker of users' topics."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.brokers.facts_port import (
    OUT_OF_REACH,
    BrokerTrouble,
    FoundTopics,
    OnEnds,
    OnMade,
    OnMembers,
    OnOffsets,
    OnRecord,
    OnTopics,
    TopicFact,
)
from orchestrator.brokers.reader_port import OnBatch, OnProblem, ReadPlace
from orchestrator.brokers.writer_port import TopicRows
from orchestrator.codec.records import decode_message
from orchestrator.intake import group_commits, reading
from orchestrator.intake.intake import TopicIntake
from orchestrator.intake.term import READY_MAX
from orchestrator.model.topic_records import Produced
from orchestrator.outbox import given as given_rows
from orchestrator.outbox import topics as carriers
from orchestrator.outbox.pace import CommitPace
from orchestrator.processor import topics as term_topics
from orchestrator.processor.loop import Processor
from orchestrator.processor.topics import NodeTopics
from orchestrator.registry.schema import EMPTY, Registry
from tests.simulation import node as nodes
from tests.simulation import world as worlds
from tests.simulation.mutation import Patch
from tests.simulation.node import Node
from tests.simulation.topic_item_checks import LANES_ROWS_MAX, CheckedGroups, pressed
from tests.simulation.user_broker import UserReading
from tests.simulation.user_ledger import LedgerPlace
from tests.simulation.user_writer import UserWriter, WriterOptions

if TYPE_CHECKING:
    from tests.simulation.topic_world import TopicWorld

PAYLOAD_BYTES_MAX = 100_000


class UserFacts:
    """The `TopicFacts` port."""

    def __init__(self, world: "TopicWorld", lives: Callable[[], bool]) -> None:
        self._broker = world.broker
        self._answering = world.strangers.answering
        self._lives = lives

    def topics(self, names: Sequence[str], on_found: OnTopics) -> None:
        def answer() -> None:
            if not self._lives():
                return
            if self._broker.is_away():
                on_found(BrokerTrouble(OUT_OF_REACH, "away", passes=True))
                return
            answering = self._answering()
            held = answering.topics
            facts = {
                name: TopicFact(name, held[name].id, len(held[name].partitions))
                for name in names
                if name in held
            }
            on_found(FoundTopics(answering.kafka_id, facts))

        self._broker.later(answer)

    def offsets(self, topic: TopicFact, point: int, on_found: OnOffsets) -> None:
        raise AssertionError("it is asked for when a subscription is created")

    def ends(self, topics: Sequence[TopicFact], on_found: OnEnds) -> None:
        raise AssertionError("they are asked for people")

    def committed(self, group: str, topic: TopicFact, on_found: OnOffsets) -> None:
        raise AssertionError("it is asked for people")

    def record(self, topic: TopicFact, part: int, offset: int, on_found: OnRecord) -> None:
        raise AssertionError("an operator asks for it")

    def make_topic(self, name: str, count: int, settings: Any, on_made: OnMade) -> None:
        raise AssertionError("an operator asks for it")

    def members(self, group: str, on_found: OnMembers) -> None:
        raise AssertionError("they are asked for when a subscription is created")

    def close(self) -> None:
        """It holds nothing."""


class UserReader:
    """The `TopicReader` port."""

    def __init__(self, world: "TopicWorld", lives: Callable[[], bool]) -> None:
        self._broker = world.broker
        self._answering = world.strangers.answering
        self._lives = lives

    def open(
        self,
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> UserReading:
        return UserReading(
            self._broker,
            self._answering,
            place,
            offset,
            leader_epoch,
            self._lives,
            on_batch,
            on_problem,
        )

    def close(self) -> None:
        """Each reading is closed by whoever opened it."""


class KnownFences:
    """The `Fences` of one writer: who was fenced comes back only once a record of its own epoch
    has been applied; and what the ledger says of a lane is held to."""

    def __init__(self, world: "TopicWorld", node: Node, options: WriterOptions) -> None:
        self._world = world
        self._node = node
        self._options = options
        self._partition = options.at.partition
        self._at = (node.number, *options.at)
        self._stopped: set[int] = set()

    def fenced(self) -> None:
        count = len(self._world.topic.messages[self._partition])
        self._world.fenced[self._at] = (self._epoch(), count)

    def opens(self) -> None:
        epoch, count = self._world.fenced.pop(self._at, (-1, 0))
        if epoch < 0 or epoch != self._epoch():
            return
        since = self._world.topic.messages[self._partition][count:]
        records = [record for message in since for record in decode_message(message.value)]
        if not any(isinstance(one, Produced) and one.epoch == epoch for one in records):
            self._world.oracle.broken("fences", f"{self._at} is fenced, and fences without a proof")

    def reads(self) -> None:
        ledgers = self._world.ledgers
        ledgers.check_read(self._options.at, self._options.identity)
        self._stopped = ledgers.stopped(self._options.at)

    def writes(self, rows: Sequence[TopicRows]) -> None:
        lanes = [one.lane for one in rows]
        self._world.ledgers.check_written(self._options.at, lanes, self._stopped)

    def _epoch(self) -> int:
        seat = self._node.processor._seats.get(self._partition)
        return -1 if seat is None or seat.term is None else seat.term.epoch


def topics_of(world: "TopicWorld", node: Node, scheduler: Any) -> NodeTopics:
    """Of one process."""

    def waiting_of(deployment: str) -> int:
        """In some worlds the services are busy now and then."""
        is_busy = world.seed % 7 == 3 and world.now_ms() // 500 % 3 == 0
        return READY_MAX if is_busy else 0

    intake = TopicIntake(
        node.registry,
        lambda cluster: UserFacts(world, node.lives),
        lambda cluster, options: UserReader(world, node.lives),
        lambda cluster, options: CheckedGroups(world, node),
        scheduler,
        world.plan.partitions,
        "perdure",
        PAYLOAD_BYTES_MAX,
        waiting_of=waiting_of,
    )
    world.intakes[node.number] = intake

    def open_writer(cluster: str, partition: int) -> UserWriter:
        def is_away() -> bool:
            return cluster != "log" and world.is_extra_away

        known = node.registry().topics.taken_over.get(cluster, ())
        options = WriterOptions(LedgerPlace(cluster, partition), node.log.identity, known)
        fences = KnownFences(world, node, options)
        return UserWriter(world.broker, options, node.lives, is_away, fences)

    def options_of(cluster: str) -> object:
        known = node.registry()
        return "not read yet" if known is EMPTY else known.topics.clusters.get(cluster)

    # Where writers do not rest, more transactions are under way when something goes wrong.
    make_pace = CommitPace if world.seed % 5 < 2 else partial(CommitPace, 0.0, 0.0)
    return NodeTopics(open_writer, intake, options_of, make_pace)


def topics_on(world: "TopicWorld") -> Callable[[Patch], None]:
    """Processes of this world have topics; what is done in portions takes several of them."""

    def wire_in(patch: Patch) -> None:
        def make(log: Any, home: Any, invoker: Any, *more: Any) -> Any:
            make_processor: Any = Processor
            topics = topics_of(world, invoker.life, more[2])
            return make_processor(log, home, invoker, *more, topics=topics)

        def registry(self: Node) -> Registry:
            known: Registry = registry_before(self)
            if known is EMPTY:
                return known
            services = world.known_services(known.services)
            return Registry(world.version, known.deployments, services, world.stored)

        registry_before = patch.set(Node, "registry", registry)
        patch.set(nodes, "Processor", make)
        changes: tuple[tuple[Any, str, float], ...] = (
            (worlds, "CALM_S", 200.0),  # nothing here waits for minutes
            (carriers, "ROWS_MAX", 7),
            (carriers, "LANES_MAX", 2),
            (given_rows, "MISSING_S", 0.5),
            (carriers, "QUIET_S", 1.0),
            (carriers, "FOREIGN_S", 0.5),
            (carriers, "DELETED_S", 0.5),
            (group_commits, "EVERY_S", 0.3),
            (group_commits, "BETWEEN_S", 0.05),
            (reading, "PORTION_ITEMS", 3),
            (reading, "UNDER_WAY_MAX", 2),
            (reading, "HELD_RECORDS_MAX", 6),
            (term_topics, "LANES_ROWS_MAX", LANES_ROWS_MAX),
            (term_topics, "FULL_FOR_MS", 0),
        )
        for room, name, count in changes:
            patch.set(room, name, count)
        patch.set(carriers.TopicCarrier, "rows_max", 7)
        pressed(world, patch)
        # A leader that was replaced and does not know it finds more in the ledger than it gave.
        patch.set(carriers._LOG, "error", lambda *text: world.oracle.note(str(text[1:])))

    return wire_in
