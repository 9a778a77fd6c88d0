"""Compares the stores of a world with its logs, applied again from the beginning."""

from orchestrator.codec.records import decode_message
from orchestrator.model.records import Ended, Journal
from orchestrator.processor.partition import Partition
from orchestrator.store.memory import MemoryStore
from orchestrator.store.stamp import STAMP_KEY, Stamp, StampedStore, read_stamp
from tests.unit.processor.world import World


def compare(world: World) -> None:
    """Stores hold what applying the log gives, byte for byte, wherever turns and spills ended."""
    for number in range(world.partition_count):
        store = MemoryStore()
        stamp = Stamp(world.topic.identity, number)
        partition = Partition(number, world.partition_count, StampedStore(store, stamp))
        ended = set()
        for offset, value in enumerate(world.topic.values[number]):
            records = decode_message(value)
            answers = partition.apply_message(offset, value, records, [])
            for record, answer in zip(records, answers, strict=True):
                if isinstance(record, Journal) and isinstance(record.end, Ended) and not answer:
                    assert record.id not in ended, "an invocation ended twice"
                    ended.add(record.id)
        partition.spill()
        live = next(world.homes[number].candidates())
        upto = list(live.scan(b"", b"\xff"))
        assert upto == list(store.scan(b"", b"\xff")) or is_behind(upto, partition)


def is_behind(rows: list[tuple[bytes, bytes]], partition: Partition) -> bool:
    """A zombie wrote to the log after the last process had closed its store."""
    store = MemoryStore(rows=dict(rows))
    assert store.get(STAMP_KEY) is not None
    stamp = read_stamp(store)
    return stamp is not None and stamp.applied < partition.next_offset
