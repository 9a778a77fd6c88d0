"""An intake over terms whose records are applied at once, brokers in memory, and readers that the
test plays."""

from collections.abc import Callable

from msgspec.structs import replace

from orchestrator.brokers.groups_port import Offsets
from orchestrator.brokers.memory import MemoryFacts
from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
)
from orchestrator.codec.keys import source_key
from orchestrator.intake.intake import TopicIntake
from orchestrator.intake.port import TermIntake
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import PartitionRow, SourceRow
from orchestrator.model.topic_records import Intake, SourceClosed, SourceOpened, SwitchFeed
from orchestrator.model.topics import FEED_LETTERS
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.schema import Registry, ServiceType
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.registry.stored import StoredDeployment, StoredHandler, StoredPairs, StoredService
from orchestrator.registry.stored_topics import StoredCluster, StoredSubscription, TopicsState
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.runtime.telemetry import Telemetry

SHOP = StoredCluster("shop", (("bootstrap.servers", "b:9092"),))


class PlayedReading:
    """One place."""

    def __init__(
        self, place: ReadPlace, offset: int, on_batch: OnBatch, on_problem: OnProblem
    ) -> None:
        self.place = place
        self.position = offset
        self.on_problem = on_problem
        self.seeks: list[int] = []
        self.is_closed = False
        self._on_batch = on_batch

    def give(self, *records: InRecord) -> None:
        """The next ones, whatever offsets they have."""
        first, upto = self.position, self.position + len(records)
        self.position = upto
        given = tuple(replace(one, offset=first + n) for n, one in enumerate(records))
        self._on_batch(ReadBatch(first, upto, 1, given))

    def seek(self, offset: int, leader_epoch: int) -> None:
        self.position = offset
        self.seeks.append(offset)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


class PlayedReader:
    """Of one broker cluster and options."""

    def __init__(self, cluster: StoredCluster, more: StoredPairs) -> None:
        self.cluster = cluster
        self.options = more
        self.readings: list[PlayedReading] = []
        self.is_closed = False

    def open(
        self, place: ReadPlace, offset: int, epoch: int, on_batch: OnBatch, on_problem: OnProblem
    ) -> PlayedReading:
        self.readings.append(PlayedReading(place, offset, on_batch, on_problem))
        return self.readings[-1]

    def close(self) -> None:
        self.is_closed = True


class PlayedGroups:
    """Groups of one broker cluster: what was committed, and what comes of it."""

    def __init__(self, cluster: StoredCluster) -> None:
        self.cluster = cluster
        self.commits: list[tuple[str, dict[tuple[str, int], int]]] = []
        self.answer: str | None = ""  # None: there is none
        self.is_closed = False

    def commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        self.commits.append((group, dict(offsets)))
        if self.answer is not None:
            done(self.answer)

    def close(self) -> None:
        self.is_closed = True


class AppliedTerm:
    """A term; what it proposes is applied before anything else happens."""

    epoch = 7
    pressed = False

    def __init__(self, partition: int, partition_count: int, call_soon: Callable[..., object]):
        self.partition, self.partition_count = partition, partition_count
        self.rows: dict[bytes, SourceRow] = {}
        self.own = PartitionRow()
        self.scans = self.gets = 0
        self.intake: TermIntake
        self._call_soon = call_soon

    def now_ms(self) -> int:
        return 5

    def propose(self, record: SourceOpened | Intake | SourceClosed | SwitchFeed) -> None:
        self._call_soon(self._apply, record)

    def _apply(self, record: SourceOpened | Intake | SourceClosed | SwitchFeed) -> None:
        if isinstance(record, SwitchFeed):
            assert record.feed == FEED_LETTERS and record.to is not None
            self.own.letter_feeds[record.cluster] = record.to
            return
        key = source_key(record.source)
        if isinstance(record, SourceOpened):
            row = SourceRow(record.source, record.generation, record.start, 0)
            row.metadata_version = record.metadata_version
            self.rows[key] = row
        elif isinstance(record, SourceClosed):
            del self.rows[key]
        else:
            row = self.rows[key]
            if record.first == row.position:
                row.position = record.upto
                origins = [one.origin for one in record.items if isinstance(one, Invoke)]
                row.live += [one.offset for one in origins if one and one.holds_slot]
            self.intake.applied(record)
            return
        self.intake.read(key)

    def source(self, key: bytes) -> SourceRow | None:
        self.gets += 1
        return self.rows.get(key)

    def sources(self) -> list[SourceRow]:
        self.scans += 1
        return list(self.rows.values())

    def own_row(self) -> PartitionRow:
        return self.own

    def letter_bytes(self, subscription: str) -> int:
        return 0

    def is_pressed(self) -> bool:
        return self.pressed


class IntakeWorld:
    """Made on an event loop."""

    def __init__(self, partition_count: int = 1, *services: str) -> None:
        self.facts = MemoryFacts("kafka-1")
        self.topics = TopicsState({"shop": SHOP})
        self.version = 1
        self.services = services or ("Counter",)
        self.readers: list[PlayedReader] = []
        self.groups: list[PlayedGroups] = []
        self.telemetry = Telemetry()
        self.waiting: dict[str, int] = {}  # attempts that wait for a slot, by deployment
        scheduler = LoopScheduler()
        self.call_soon = scheduler.call_soon
        self.intake = TopicIntake(
            lambda: self.registry,
            lambda cluster: self.facts,
            self._open,
            self._open_groups,
            scheduler,
            partition_count,
            "perdure",
            1000,
            self.telemetry,
            waiting_of=lambda deployment: self.waiting.get(deployment, 0),
        )
        self.know()
        self.terms = [self._lead(number, partition_count) for number in range(partition_count)]

    def _lead(self, number: int, count: int) -> AppliedTerm:
        term = AppliedTerm(number, count, self.call_soon)
        term.intake = self.intake.begin(term)
        return term

    def _open(self, cluster: StoredCluster, more: StoredPairs) -> PlayedReader:
        self.readers.append(PlayedReader(cluster, more))
        return self.readers[-1]

    def _open_groups(self, cluster: StoredCluster, more: StoredPairs) -> "PlayedGroups":
        self.groups.append(PlayedGroups(cluster))
        return self.groups[-1]

    def know(self) -> None:
        """Of metadata as `topics` and `services` have them."""
        self.version += 1
        handlers = (StoredHandler("add", 0),)
        services = tuple(
            StoredService(name, ServiceType.SERVICE.value, 1, handlers) for name in self.services
        )
        stored = StoredDeployment("dp", "http://x", False, True, 5, 7, (), (), 0, "", services)
        latest = dict.fromkeys(self.services, "dp")
        state = MetadataState(deployments={"dp": stored}, latest=latest, topics=self.topics)
        built = build_registry(state, Defaults())
        self.registry = Registry(self.version, built.deployments, built.services, built.topics)
        self.intake.metadata_changed(self.registry)

    def subscribe(self, known_as: str, *topics: str, **more: object) -> None:
        one = StoredSubscription(known_as, "", "shop", topics, "Counter", "add")
        self.change(replace(one, **more))

    def change(self, one: StoredSubscription) -> None:
        self.topics.subscriptions[one.id] = one
        self.know()

    @property
    def readings(self) -> list[PlayedReading]:
        return [one for reader in self.readers for one in reader.readings if not one.is_closed]
