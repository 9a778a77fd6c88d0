"""Invocation ids: 8 bytes of partition key, 16 of identity; keys become ids and partitions."""

import hashlib
from functools import lru_cache

from orchestrator.model.topics import Source

INVOCATION_ID_BYTES = 24
ID_SPACE = 1 << 64


def partition_of(invocation_id: bytes, partition_count: int) -> int:
    """The partition an invocation lives in: the top of its partition key, scaled."""
    return int.from_bytes(invocation_id[:8], "big") * partition_count >> 64


def partition_of_key(partition_key: bytes, partition_count: int) -> int:
    """The partition of an 8-byte partition key."""
    return int.from_bytes(partition_key, "big") * partition_count >> 64


def key_partition_key(key: str) -> bytes:
    """Partition key of an object or workflow key: the key alone, so that one key lives together."""
    return hashlib.blake2b(key.encode(), digest_size=8).digest()


def _digest(parts: tuple[str, ...]) -> bytes:
    # Length-prefixed, so that no two lists of parts spell the same bytes.
    joined = b"".join([len(p).to_bytes(4, "big") + p for p in map(str.encode, parts)])
    return hashlib.sha256(joined).digest()


def workflow_id(service: str, key: str) -> bytes:
    """The id of the run of a workflow key: the same for everyone who names it."""
    return key_partition_key(key) + _digest(("wf", service, key))[:16]


def idempotent_id(service: str, key: str | None, handler: str, idempotency_key: str) -> bytes:
    """The id an idempotency key stands for; keyed targets stay in the partition of their key."""
    if key is None:
        digest = _digest(("ik", service, handler, idempotency_key))
        return digest[16:24] + digest[:16]
    digest = _digest(("iko", service, key, handler, idempotency_key))
    return key_partition_key(key) + digest[:16]


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
    return _digest((what, source.subscription, place, rest))


def send_partition_key(cluster: str, topic: str, key: bytes | None) -> bytes | None:
    """Partition key of a `Kafka/send` over HTTP: records of one key go out in one order. None:
    anywhere."""
    return None if key is None else _digest(("out", cluster, topic, key.hex()))[:8]


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
