"""Brokers behind TLS whose certificate a private authority signed: `ca_file` is all it takes."""

import asyncio
import datetime
import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import kafka_options
from tests.contracts.test_log import append, opened, read
from tests.contracts.test_log_kafka import until
from tests.parts.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(90)


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself: alone, and with its key for the broker."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (directory / "ca.pem").write_bytes(shown)
    (directory / "broker.pem").write_bytes(secret + shown)
    return directory / "ca.pem", directory / "broker.pem"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaBroker, Path]]:
    directory = tmp_path_factory.mktemp("kafka-tls")
    ca_file, key_store = make_certificate(directory)
    options = {
        "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(key_store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca_file),
    }
    broker = KafkaBroker(directory, options)
    broker.start()
    yield broker, ca_file
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
