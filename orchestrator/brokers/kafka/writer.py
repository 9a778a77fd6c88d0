"""The `TopicWriter` over Kafka: one transactional producer, used by one thread of its own.

librdkafka's calls of transactions block, some for seconds: the thread makes them, and whatever it
finds is given to the loop. Nothing polls.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from orchestrator.brokers.kafka.configs import WriterOptions, transactions_config
from orchestrator.brokers.kafka.errors import is_fenced
from orchestrator.brokers.kafka.ledger_topic import (
    LedgerUnusable,
    ensure_ledger,
    read_ledger,
)
from orchestrator.brokers.kafka.transaction import Transactions
from orchestrator.brokers.kafka.undecided import Undecided
from orchestrator.brokers.ledger import ForeignEntry, UnreadableLedger
from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    TopicRows,
    WriterReady,
)
from orchestrator.kafka.clients import ignored, make_producer
from orchestrator.kafka.errors import error_of, text_of
from orchestrator.model.operating import OperatingError

FENCE_S: Final = 30.0
"""How long the brokers may take to end the transaction of the writer before."""

_LOG = logging.getLogger("perdure.brokers")


class KafkaTopicWriter:
    """Made and used on the event loop."""

    def __init__(self, options: WriterOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"writer-{options.partition}")
        self._producer: Producer | None = None  # the thread's
        self._transactions: Transactions | None = None  # the thread's
        self._is_busy = False
        self._is_closed = False

    def open(self, done: Callable[[WriterReady | ForeignLedger | Lost], None]) -> None:
        self._start(self._open, done)

    def write(
        self, rows: Sequence[TopicRows], done: Callable[[Committed | NotCommitted | Lost], None]
    ) -> None:
        self._start(partial(self._write, rows), done)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._thread.submit(self._end)
            self._thread.shutdown(wait=False)

    def _start(self, call: Callable[[], object], done: Callable[[Any], None]) -> None:
        assert not self._is_busy and not self._is_closed, "one call at a time, until it is closed"
        self._is_busy = True

        def told(found: object) -> None:
            self._is_busy = False
            if not self._is_closed:
                done(found)

        def run() -> None:
            found: object
            try:
                found = call()
            except Exception as error:  # noqa: BLE001 a writer that reports Lost is replaced
                _LOG.exception("an error in the writer of partition %d", self._options.partition)
                found = Lost(repr(error), False)
            self._loop.call_soon_threadsafe(told, found)

        self._thread.submit(run)

    # in the thread

    def _open(self) -> WriterReady | ForeignLedger | Lost:
        options = self._options
        undecided = Undecided(options)
        try:
            ensure_ledger(options, ignored)
            self._producer = make_producer(transactions_config(options), self._note)
            self._producer.init_transactions(FENCE_S)
            last = read_ledger(options, undecided)
        except ForeignEntry as foreign:
            log = foreign.identity.hex()
            return ForeignLedger(
                f"topic {options.ledger_topic} belongs to the log {log}: give this cluster another"
                " name (--cluster), or, if that log is gone for ever, perdure kafka-clusters"
                f" take-over CLUSTER {log}"
            )
        except KafkaException as raised:
            return Lost(text_of(raised), is_fenced(error_of(raised)))
        except (LedgerUnusable, UnreadableLedger, OperatingError) as error:
            return Lost(str(error), False)
        self._transactions = Transactions(self._producer, options, undecided)
        return WriterReady(last)

    def _write(self, rows: Sequence[TopicRows]) -> Committed | NotCommitted | Lost:
        assert self._transactions is not None, "write after it was opened"
        return self._transactions.run(rows)

    def _end(self) -> None:
        """End the producer, whose transactions have all been answered. Closing it may block."""
        self._transactions = None
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)
            self._producer = None

    def _note(self, error: KafkaError) -> None:
        """Of the client as a whole, such as a connection that broke; a transaction that fails
        reports its errors itself."""
        _LOG.debug("writing to topics of users: %s", error)
        if self._transactions is not None:
            self._transactions.doubt()
