"""Rights that are missing on Kafka, and come back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import PARTITIONS
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.contracts.test_log_kafka import make_topic, refusal, unexpected, until


def rule(kind: str, name: str, operation: str, permission: str = "ALLOW") -> AclBinding:
    return AclBinding(
        ResourceType[kind],
        name,
        ResourcePatternType.LITERAL,
        "User:ANONYMOUS",
        "*",
        AclOperation[operation],
        AclPermissionType[permission],
    )


def set_rules(options: KafkaOptions, rules: list[AclBinding]) -> None:
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    for future in admin.create_acls(rules).values():
        future.result()


def allow(options: KafkaOptions, kind: str, name: str, operations: str) -> None:
    """On this topic or group only these operations are allowed from now on."""
    set_rules(options, [rule(kind, name, operation) for operation in operations.split()])


@contextmanager
def no_topic_may_be_made(options: KafkaOptions) -> Iterator[None]:
    cluster = "kafka-cluster"
    set_rules(options, [rule("BROKER", cluster, "ALL"), rule("BROKER", cluster, "CREATE", "DENY")])
    yield
    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    every = AclBindingFilter(
        ResourceType.BROKER,
        cluster,
        ResourcePatternType.LITERAL,
        None,  # type: ignore[arg-type]  # any principal
        None,  # type: ignore[arg-type]  # from any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for future in admin.delete_acls([every]).values():
        future.result()


@pytest.mark.parametrize(
    ("operations", "named"),
    [
        ("DESCRIBE DESCRIBE_CONFIGS READ DELETE", "lacks WRITE"),
        ("DESCRIBE DESCRIBE_CONFIGS WRITE DELETE", "lacks READ"),
        ("DESCRIBE DESCRIBE_CONFIGS READ WRITE", "lacks DELETE"),
        ("DESCRIBE READ WRITE DELETE", "lacks DESCRIBE_CONFIGS"),
        ("CREATE", "may not describe topic"),
    ],
)
def test_a_missing_permission_on_a_topic_is_refused(
    options: KafkaOptions, operations: str, named: str
) -> None:
    make_topic(options, options.log_topic, PARTITIONS)
    allow(options, "TOPIC", options.log_topic, operations)
    refused = asyncio.run(refusal(options))
    assert refused.code == "PD0113" and named in refused.message


def test_a_right_that_is_revoked_refuses_appends_until_it_is_back(
    options: KafkaOptions, caplog: pytest.LogCaptureFixture
) -> None:
    topic = options.log_topic

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a"])
            operations = "DESCRIBE DESCRIBE_CONFIGS READ DELETE"
            await asyncio.to_thread(allow, options, "TOPIC", topic, operations)
            for _ in range(3):
                acknowledgements = Acknowledgements()
                log.append([(0, [b"refused"])], acknowledgements.done)
                error = (await acknowledgements.wait(1))[0].error
                assert error is not None and error.refused, error
                assert "PD0113" in error.reason and f"write to topic {topic}" in error.reason
                assert not log.health().writable and "PD0113" in log.health().reason
            await asyncio.to_thread(allow, options, "TOPIC", topic, "WRITE")
            await until(lambda: log.health().writable)  # nothing has been appended since
            await append(log, 0, [b"b"])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a", b"b"]

    asyncio.run(main())
    lines = [one for one in caplog.records if "PD0113" in one.getMessage()]
    assert len(lines) == 1 and lines[0].levelname == "ERROR" and lines[0].exc_info is None


def test_a_missing_permission_to_create_a_topic_is_refused(options: KafkaOptions) -> None:
    allow(options, "TOPIC", options.meta_topic, "DESCRIBE READ WRITE DELETE DESCRIBE_CONFIGS")
    with no_topic_may_be_made(options):
        refused = asyncio.run(refusal(options))
    assert refused.code == "PD0113"
    assert f"may not create topic {options.meta_topic}" in refused.message


def test_a_missing_permission_on_the_group_is_refused(options: KafkaOptions) -> None:
    allow(options, "GROUP", options.group, "ALTER_CONFIGS")

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            log.lead(lambda number: None, lambda number: None, unexpected)
            await until(lambda: log.health().refused is not None)
            refused = log.health().refused
            assert refused is not None and refused.remedy
            assert refused.code == "PD0113" and options.group in refused.message

    asyncio.run(main())
