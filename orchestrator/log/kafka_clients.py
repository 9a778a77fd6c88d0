"""Every librdkafka client of the Kafka log is made here, from its options."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from orchestrator.log.kafka_errors import error_of, refusal_of
from orchestrator.log.kafka_logging import LIBRARY_LOG
from orchestrator.log.kafka_options import (
    KafkaOptions,
    client_config,
    member_config,
    producer_config,
    reader_config,
)
from orchestrator.log.kafka_reader import Readers
from orchestrator.log.port import LogRefused

OnError = Callable[[KafkaError], None]


class Clients:
    """Makes them, and keeps the two that live as long as the log: admin and readers."""

    def __init__(self, options: KafkaOptions, client_id: str) -> None:
        self._options = options
        self.client_id = client_id
        self.refused: LogRefused | None = None  # what the brokers say of our credentials
        with _refusing():
            config = client_config(options, client_id)
            config["error_cb"] = self._noted
            self.admin = AdminClient(config, logger=LIBRARY_LOG)
            self.readers = Readers(self._reader)
            self.readers.give_back(self.readers.take())  # so that its options are checked now

    def _noted(self, error: KafkaError) -> None:
        if self.refused is None:
            self.refused = refusal_of(error, "connect")

    def serve(self) -> None:
        """Let the clients that nobody waits for say what they have to say."""
        self.admin.poll(0)
        self.readers.serve()

    def _reader(self) -> Consumer:
        return Consumer(reader_config(self._options, self.client_id), logger=LIBRARY_LOG)

    def producer(self, on_error: OnError) -> Producer:
        config = producer_config(self._options, self.client_id)
        with _refusing():
            return Producer({**config, "error_cb": on_error}, logger=LIBRARY_LOG)

    def member(self, on_error: OnError) -> Consumer:
        config = member_config(self._options, self.client_id)
        with _refusing():
            return Consumer({**config, "error_cb": on_error}, logger=LIBRARY_LOG)


@contextmanager
def _refusing() -> Iterator[None]:
    """librdkafka names the option that it does not know or whose value it cannot read."""
    try:
        yield
    except KafkaException as raised:
        raise LogRefused(
            "PD0111",
            f"The Kafka options cannot be used: {error_of(raised).str()}.",
            "Correct --kafka-option or PERDURE_KAFKA_OPTIONS; the names are librdkafka's.",
        ) from raised
