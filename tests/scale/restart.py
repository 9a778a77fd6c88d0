"""A server starts with very many invocations that are to run: on 24 partitions, all at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from confluent_kafka import Producer

from orchestrator.codec.records import encode_message
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.port import Batch
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import SERVICE
from tests.parts.client import fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.server_options import ServerOptions
from tests.scale.world import Used, World

PARTITIONS = 24
_MESSAGE_COUNT = 1_000  # records in one message
_START_S = 600.0
_LARGE_BYTES = 10_000_000


def _invoke(partition: int, number: int) -> Invoke:
    identity = placed_key(partition, PARTITIONS, number * 0x9E3779B97F4A7C15)
    identity += number.to_bytes(16, "big")
    now_ms = int(time.time() * 1000)
    return Invoke(identity, "Light", "hang", "", SERVICE, b"1", (), now_ms, 0, 0)


async def _append(log: EmbeddedLog, batch: Batch) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = len(batch)

    def told(number: int, first: int, count: int, error: Exception | None) -> None:
        nonlocal left
        left -= 1
        if error is not None:
            done.set_exception(error)
        elif left == 0:
            done.set_result(None)

    log.append(batch, told)
    await done


def _messages(count: int) -> Iterator[tuple[int, bytes]]:
    """So many invocations, by partition."""
    each = count // PARTITIONS
    for first in range(0, each, _MESSAGE_COUNT):
        numbers = range(first, min(first + _MESSAGE_COUNT, each))
        for partition in range(PARTITIONS):
            yield partition, encode_message([_invoke(partition, number) for number in numbers])


async def write(data_dir: Path, count: int) -> None:
    """So many invocations into the log of a server that does not run."""
    options = EmbeddedOptions(data_dir / "log", PARTITIONS, mark_directory=data_dir)
    log = EmbeddedLog(options)
    await log.open()
    try:
        for partition, message in _messages(count):
            await _append(log, [(partition, [message])])
    finally:
        await log.close()


def _produce(bootstrap: str, topic: str, count: int) -> None:
    """The same into a log on Kafka."""
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": _LARGE_BYTES})
    for partition, message in _messages(count):
        producer.produce(topic, message, partition=partition)
        producer.poll(0)
    assert producer.flush(_START_S) == 0


def _begun(world: World) -> int:
    """Attempts that run, or wait for a slot."""
    metrics = world.metrics()
    return int(metrics["perdure_attempts_running"] + metrics["perdure_attempts_waiting"])


def restart(count: int) -> Used:
    """Their services never answer; a call of another deployment has to be answered at once."""
    with World(PARTITIONS) as world:
        return _restarted(
            world, count, lambda: asyncio.run(write(world.server.data_dir, count)), "waiting"
        )


def restart_on_kafka(count: int) -> Used:
    """As `restart`, with the log on a broker."""
    with tempfile.TemporaryDirectory(prefix="perdure-scale-") as directory:
        broker = KafkaBroker(Path(directory) / "broker", quick_start=False).start()
        cluster = fresh("scale")
        options = ServerOptions(
            partitions=PARTITIONS,
            log="kafka",
            kafka_bootstrap=broker.bootstrap,
            cluster=cluster,
        )
        try:
            with World(options=options) as world:
                write = partial(_produce, broker.bootstrap, f"{cluster}.log", count)
                return _restarted(world, count, write, "waiting, on Kafka")
        finally:
            broker.stop()


def _restarted(world: World, count: int, write: Callable[[], None], name: str) -> Used:
    world.server.stop()
    write()
    world.start(_START_S)  # applies the log
    world.server.stop()
    began_s = time.monotonic()
    world.start_measured(_START_S)
    led_s = time.monotonic()
    assert world.call("/Other/add") == 1
    answer_s = time.monotonic() - led_s
    world.wait(lambda: _begun(world), count // PARTITIONS * PARTITIONS)
    note = f"led after {led_s - began_s:.1f} s, then answered in {answer_s:.2f} s"
    return world.used(f"{name} at a start", count, note, answer_s)
