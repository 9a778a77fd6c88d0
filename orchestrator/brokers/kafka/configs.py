"""How the clients that write users' topics and read ledgers are configured."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.brokers.kafka.fetch_budget import FetchBudget
from orchestrator.kafka.serve import FETCH_WAIT_MS

TRANSACTION_MS: Final = 15_000
"""A leader that stopped in a transaction holds up users' readers no longer than this."""

DELIVERY_MS: Final = 10_000
"""Below that of the transaction: a record without a broker fails alone, before all does."""

RETRY_FIRST_MS: Final = 1
"""A transaction that follows another one meets the end of it for a millisecond or two."""

MESSAGE_BYTES_MAX: Final = 1_000_000_000
"""The broker's limit on a topic decides, not the client's."""

BATCH_BYTES: Final = 1_000_000
"""Below the default of `max.message.bytes`; a larger record is a batch of its own."""


PLACE_BYTES: Final = 128 << 10
"""Of one partition in an answer: what was fetched of a place that pauses is fetched again."""

MakeConfig = Callable[[], dict[str, Any]]
"""What every client of a broker cluster is configured with. It may read files, so that only
threads call it; raises an OperatingError for what cannot be used."""


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """One engine partition's writer to one broker cluster."""

    client: MakeConfig
    cluster: str  # of the engine: begins the names of the ledger and of transactional ids
    identity: bytes  # of the engine's log
    partition: int
    partitions: int  # of the engine's log, and of the ledger
    replication_factor: int = -1  # of the ledger, where it must be made; -1: the brokers' default
    taken_over: tuple[bytes, ...] = ()  # logs whose entries in the ledger count no longer

    @property
    def ledger_topic(self) -> str:
        return f"{self.cluster}.ledger"

    @property
    def transactional_id(self) -> str:
        """Another log's writers have another one, so that none of them is fenced by mistake."""
        log = hashlib.blake2b(self.identity, digest_size=8).hexdigest()
        return f"{self.cluster}.{log}.{self.partition}"


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """One node's reader of one broker cluster."""

    client: MakeConfig
    group: str
    budget: FetchBudget = field(default_factory=FetchBudget)  # of all consumers of the node


def transactions_config(options: WriterOptions) -> dict[str, Any]:
    return {
        **options.client(),
        "transactional.id": options.transactional_id,
        "transaction.timeout.ms": str(TRANSACTION_MS),
        "message.timeout.ms": str(DELIVERY_MS),
        "acks": "all",
        "enable.idempotence": "true",
        "linger.ms": "0",
        "retry.backoff.ms": str(RETRY_FIRST_MS),
        "retry.backoff.max.ms": "1000",
        "partitioner": "murmur2_random",
        "message.max.bytes": str(MESSAGE_BYTES_MAX),
        "batch.size": str(BATCH_BYTES),
        "queue.buffering.max.messages": "1000000",
        "queue.buffering.max.kbytes": str(MESSAGE_BYTES_MAX >> 9),
    }


def ledger_reader_config(options: WriterOptions) -> dict[str, Any]:
    return {
        **options.client(),
        "group.id": options.ledger_topic,  # never joined, nothing is committed
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": "true",
        "fetch.wait.max.ms": "5",  # at the end the broker must answer, not wait
    }


def places_config(options: ReaderOptions, share_bytes: int) -> dict[str, Any]:
    """Half of the share may be queued when an answer comes, which may have the other half; a
    larger record comes alone."""
    fetch_bytes = share_bytes // 2
    return {
        **options.client(),
        "group.id": options.group,  # never joined, nothing is committed to it
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": "true",  # tells how far gaps reach
        # A place that comes back waits for the fetch of the others to end.
        "fetch.wait.max.ms": str(FETCH_WAIT_MS),
        "fetch.error.backoff.ms": "500",  # see reading.py
        "fetch.max.bytes": str(fetch_bytes),
        "max.partition.fetch.bytes": str(min(PLACE_BYTES, fetch_bytes // 8)),
        "message.max.bytes": str(fetch_bytes),
        "receive.message.max.bytes": str(MESSAGE_BYTES_MAX),
        "queued.max.messages.kbytes": str((share_bytes - fetch_bytes) >> 10),
        "queued.min.messages": "1000",
        "fetch.queue.backoff.ms": "20",  # after so many, until they are taken
    }
