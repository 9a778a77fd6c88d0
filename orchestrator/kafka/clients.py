"""Every librdkafka client of the server is made here, from options that `client_config` began."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from orchestrator.kafka.errors import error_of
from orchestrator.kafka.library_log import LIBRARY_LOG
from orchestrator.model.refusal import LogRefused

OnError = Callable[[KafkaError], None]
Config = Mapping[str, Any]


def ignored(error: KafkaError) -> None:
    """For a client whose errors come up once more: the request that fails reports them."""


def make_admin(config: Config, on_error: OnError) -> AdminClient:
    """Raises `LogRefused` for an option that librdkafka does not take, as do the others."""
    with _refusing():
        return AdminClient(dict(config) | {"error_cb": on_error}, logger=LIBRARY_LOG)


def make_producer(config: Config, on_error: OnError) -> Producer:
    with _refusing():
        return Producer(dict(config) | {"error_cb": on_error}, logger=LIBRARY_LOG)


def make_consumer(config: Config, on_error: OnError | None = None) -> Consumer:
    told = {} if on_error is None else {"error_cb": on_error}
    with _refusing():
        return Consumer(dict(config) | told, logger=LIBRARY_LOG)


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
