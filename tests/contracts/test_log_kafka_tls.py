"""Brokers behind TLS whose certificate a private authority signed: `ca_file` is all it takes."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import kafka_options
from tests.contracts.test_log import append, opened, read
from tests.contracts.test_log_kafka import until
from tests.parts.certificates import make_certificate
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaBroker, Path]]:
    directory = tmp_path_factory.mktemp("kafka-tls")
    certificate = make_certificate(directory)
    options = {
        "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate.with_key),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificate.trusted),
    }
    broker = KafkaBroker(directory, options)
    broker.start()
    yield broker, certificate.trusted
    broker.stop()


@pytest.fixture
def options(tmp_path: Path, guarded: tuple[KafkaBroker, Path]) -> KafkaOptions:
    return kafka_options(tmp_path, guarded[0].bootstrap)


def test_the_authority_of_the_brokers_is_all_that_is_needed(
    options: KafkaOptions, guarded: tuple[KafkaBroker, Path]
) -> None:
    async def main() -> None:
        async with opened(KafkaLog(replace(options, ca_file=guarded[1]))) as log:
            await append(log, 0, [b"a"])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a"]

    asyncio.run(main())


def test_brokers_that_nobody_vouches_for_are_not_trusted(options: KafkaOptions) -> None:
    async def main() -> None:
        log = KafkaLog(replace(options, librdkafka={"security.protocol": "ssl"}))
        opening = asyncio.create_task(log.open())
        await until(lambda: options.bootstrap in log.health().reason)
        assert not opening.done()
        opening.cancel()
        await asyncio.wait([opening])
        await log.close()

    asyncio.run(main())
