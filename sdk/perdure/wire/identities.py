"""Ids that follow from what an invocation is for: the key of a workflow, or an idempotency key.

Perdure's servers make them so, which is why these functions are theirs, too; others do otherwise.
"""

import hashlib
from typing import Final

SERVER_VERSION: Final = "x-perdure-version"
"""The header of attempts by which a server says that its ids are these."""


def key_partition_key(key: str) -> bytes:
    """Partition key of an object or workflow key: the key alone, so that one key lives together."""
    return hashlib.blake2b(key.encode(), digest_size=8).digest()


def digest_of(parts: tuple[str, ...]) -> bytes:
    """32 bytes of a list of texts. Length-prefixed, so that no two lists spell the same bytes."""
    joined = b"".join([len(p).to_bytes(4, "big") + p for p in map(str.encode, parts)])
    return hashlib.sha256(joined).digest()


def workflow_id(service: str, key: str) -> bytes:
    """The id of the run of a workflow key: the same for everyone who names it."""
    return key_partition_key(key) + digest_of(("wf", service, key))[:16]


def idempotent_id(service: str, key: str | None, handler: str, idempotency_key: str) -> bytes:
    """The id an idempotency key stands for; keyed targets stay in the partition of their key."""
    if key is None:
        digest = digest_of(("ik", service, handler, idempotency_key))
        return digest[16:24] + digest[:16]
    digest = digest_of(("iko", service, key, handler, idempotency_key))
    return key_partition_key(key) + digest[:16]
