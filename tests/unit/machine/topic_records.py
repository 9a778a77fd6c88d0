"""Records of topics for tests of the machine: sources, what is taken of them, and sends."""

from msgspec.structs import replace

from orchestrator.model.ids import consumed_id, partition_of_key, source_partition_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import ToTopic
from orchestrator.model.rows import DeadLetterRow, SourceRow
from orchestrator.model.topic_records import DeadLetter, Intake, Produce, SourceOpened
from orchestrator.model.topics import (
    DEAD_RECORD,
    NO_KEY,
    ProduceRequest,
    RecordHeaders,
    RecordOrigin,
    ReplyTo,
    Source,
)
from orchestrator.model.values import BY_SUBSCRIPTION, OBJECT_EXCLUSIVE, SERVICE
from tests.unit.machine.bench import Bench

ANSWERS = ReplyTo("log", "answers", 2, (("kafka_correlationId", b"\x00\xff"),))
RAW: RecordHeaders = (("trace", b"\xff"), ("null", None), ("trace", b"again"))


def source_at(home: int, count: int, topic: str = "orders") -> Source:
    """A source whose home is this partition."""
    sources = (Source("sub_1", topic, bytes(16), number, "log") for number in range(200))
    return next(s for s in sources if partition_of_key(source_partition_key(s), count) == home)


def taken(
    bench: Bench,
    source: Source,
    offset: int,
    key: str | None = None,
    *,
    generation: int = 0,
    reply: ReplyTo | None = ANSWERS,
    body: bytes = b"1",
    kind: int | None = None,
    **more: object,
) -> Invoke:
    """The invocation of one record, as a reader makes it."""
    raw = None if key is None else key.encode()
    count = bench.state.partition_count
    home = partition_of_key(source_partition_key(source), count)
    origin = RecordOrigin(
        source, generation, offset, bench.now_ms, raw, RAW, home, reply, True, True
    )
    if kind is None:
        kind = SERVICE if key is None else OBJECT_EXCLUSIVE
    invoke = Invoke(
        consumed_id(source, generation, offset, key),
        "Counter",
        "add",
        key or "",
        kind,
        body,
        (("kafka.topic", source.topic),),
        bench.now_ms,
        0,
        0,
        by=BY_SUBSCRIPTION,
        by_id=source.subscription.encode(),
        origin=origin,
    )
    return replace(invoke, **more)


def unusable(bench: Bench, source: Source, offset: int, value: bytes = b"1") -> DeadLetter:
    """A record without the key that its target needs."""
    origin = taken(bench, source, offset, reply=None).origin
    return DeadLetter(DEAD_RECORD, NO_KEY, "no key", bench.now_ms, origin, value, len(value))


def opened(bench: Bench, source: Source, generation: int = 0, start: int = 0) -> SourceOpened:
    return SourceOpened(bench.epoch, bench.now_ms, source, generation, start)


def intake(
    bench: Bench,
    source: Source,
    first: int,
    *items: Invoke | DeadLetter,
    upto: int | None = None,
    generation: int = 0,
) -> Intake:
    end = first + len(items) if upto is None else upto
    return Intake(bench.epoch, bench.now_ms, source, generation, first, end, 3, items)


def request(awaited: bool, topic: str = "bills", value: bytes = b"paid") -> ProduceRequest:
    return ProduceRequest("log", topic, 1, b"k", RAW, value, awaited)


def send(bench: Bench, invocation_id: bytes, produce: ProduceRequest, **more: object) -> None:
    """An invocation of `Kafka/send`."""
    invoke = Invoke(
        invocation_id, "Kafka", "send", "", SERVICE, b"{}", (), bench.now_ms, 0, 0, produce=produce
    )
    bench.do(replace(invoke, **more))


def source_row(bench: Bench) -> SourceRow:
    ((_, row),) = bench.state.sources.scan()
    return row


def produced(bench: Bench) -> list[tuple[str, Produce]]:
    """(topic, row) of what lanes to topics hold."""
    found = []
    for key, row in bench.state.outbox.scan():
        to = bench.state.partition_row.lanes[int.from_bytes(key[:4], "big")].destination
        if isinstance(to, ToTopic) and isinstance(row.item, Produce):
            found.append((to.topic, row.item))
    return found


def letters(bench: Bench) -> list[tuple[bytes, DeadLetterRow]]:
    return list(bench.state.letters.scan())
