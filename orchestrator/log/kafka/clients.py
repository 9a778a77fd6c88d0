"""The clients of the log on Kafka: an admin and readers that live as long as it, and the others."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from orchestrator.kafka.clients import OnError, make_admin, make_consumer, make_producer
from orchestrator.kafka.errors import error_of, refusal_of
from orchestrator.kafka.options import client_config
from orchestrator.log.kafka.options import (
    KafkaOptions,
    member_config,
    producer_config,
    reader_config,
    tail_config,
)
from orchestrator.log.kafka.reader import Readers
from orchestrator.log.port import LogRefused


class Clients:
    """Makes them, and keeps the two that live as long as the log: admin and readers."""

    def __init__(self, options: KafkaOptions, client_id: str) -> None:
        """Raises `LogRefused` for options that librdkafka does not take."""
        self._options = options
        self.client_id = client_id
        self.refused: LogRefused | None = None  # what the brokers say of our credentials
        self.admin = make_admin(client_config(options.connection, client_id), self._noted)
        self.readers = Readers(self._reader)
        self.readers.give_back(self.readers.take())  # so that its options are checked now

    def _noted(self, error: KafkaError) -> None:
        if self.refused is None:
            self.refused = refusal_of(error, "connect")

    def serve(self) -> None:
        """Serve the callbacks of clients that nobody else polls."""
        try:
            self.admin.poll(0)
            self.readers.serve()
        except KafkaException as raised:
            self._noted(error_of(raised))

    def _reader(self) -> Consumer:
        return make_consumer(reader_config(self._options, self.client_id))

    def producer(self, on_error: OnError) -> Producer:
        return make_producer(producer_config(self._options, self.client_id), on_error)

    def tail(self, on_error: OnError) -> Consumer:
        return make_consumer(tail_config(self._options, self.client_id), on_error)

    def member(self, on_error: OnError) -> Consumer:
        return make_consumer(member_config(self._options, self.client_id), on_error)
