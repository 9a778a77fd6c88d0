"""Invocation ids: 8 bytes of partition key, 16 of identity; keys become ids and partitions."""

from functools import lru_cache

from orchestrator.model.topics import Source
from perdure.wire.identities import digest_of as digest_of
from perdure.wire.identities import idempotent_id as idempotent_id
from perdure.wire.identities import key_partition_key as key_partition_key
from perdure.wire.identities import workflow_id as workflow_id

INVOCATION_ID_BYTES = 24
ID_SPACE = 1 << 64


def partition_of(invocation_id: bytes, partition_count: int) -> int:
    """The partition an invocation lives in: the top of its partition key, scaled."""
    return int.from_bytes(invocation_id[:8], "big") * partition_count >> 64


def partition_of_key(partition_key: bytes, partition_count: int) -> int:
    """The partition of an 8-byte partition key."""
    return int.from_bytes(partition_key, "big") * partition_count >> 64


@lru_cache(4096)  # each record of a source asks for it
def source_partition_key(source: Source) -> bytes:
    """Partition key of a source: that of its home, whatever the generation."""
    return _source_digest("src", source, "")[:8]


def consumed_id(source: Source, generation: int, offset: int, key: str | None) -> bytes:
    """The id of the invocation of a consumed record: read again it is the same.

    `key` is that of a keyed target; without one the invocation stays in the home of its source.
    Workflow runs and idempotency keys have ids of their own.
    """
    placed = source_partition_key(source) if key is None else key_partition_key(key)
    return placed + _source_digest("rec", source, f"{generation}/{offset}")[:16]


def _source_digest(what: str, source: Source, rest: str) -> bytes:
    place = f"{source.topic_id.hex()}/{source.partition}"
    return digest_of((what, source.subscription, place, rest))


def send_partition_key(cluster: str, topic: str, key: bytes | None) -> bytes | None:
    """Partition key of a `Kafka/send` over HTTP: records of one key go out in one order. None:
    anywhere."""
    return None if key is None else digest_of(("out", cluster, topic, key.hex()))[:8]


def placed_key(partition: int, partition_count: int, entropy: int) -> bytes:
    """An 8-byte partition key that falls into `partition`; `entropy` is any 64-bit number."""
    low, count = _keys_of(partition, partition_count)
    return (low + entropy % count).to_bytes(8, "big")


@lru_cache
def _keys_of(partition: int, partition_count: int) -> tuple[int, int]:
    """The first key of a partition, and how many there are."""
    low = -(-(partition * ID_SPACE) // partition_count)
    return low, -(-((partition + 1) * ID_SPACE) // partition_count) - low


def random_seed(invocation_id: bytes) -> int:
    """The seed services get for their deterministic randomness; stable for an id."""
    return int.from_bytes(invocation_id[16:], "big")  # of its identity: random, or of a digest
