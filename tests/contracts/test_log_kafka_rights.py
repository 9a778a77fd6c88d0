"""Rights that are missing on Kafka, and come back."""

import asyncio

import pytest

from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import PARTITIONS
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.contracts.test_log_kafka import make_topic, refusal, unexpected, until
from tests.parts.kafka_rights import allow_only, no_topic_may_be_made


@pytest.mark.parametrize(
    ("operations", "named"),
    [
        ("DESCRIBE DESCRIBE_CONFIGS READ", "lacks WRITE"),
        ("DESCRIBE DESCRIBE_CONFIGS WRITE", "lacks READ"),
        ("DESCRIBE READ WRITE", "lacks DESCRIBE_CONFIGS"),
        ("CREATE", "may not describe topic"),
    ],
)
def test_a_missing_permission_on_a_topic_is_refused(
    options: KafkaOptions, operations: str, named: str
) -> None:
    make_topic(options, options.log_topic, PARTITIONS)
    allow_only(options.bootstrap, "TOPIC", options.log_topic, operations.split())
    refused = asyncio.run(refusal(options))
    assert refused.code == "PD0113" and named in refused.message


def test_a_right_that_is_revoked_refuses_appends_until_it_is_back(
    options: KafkaOptions, caplog: pytest.LogCaptureFixture
) -> None:
    topic = options.log_topic

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a"])
            operations = ["DESCRIBE", "DESCRIBE_CONFIGS", "READ"]
            await asyncio.to_thread(allow_only, options.bootstrap, "TOPIC", topic, operations)
            for _ in range(3):
                acknowledgements = Acknowledgements()
                log.append([(0, [b"refused"])], acknowledgements.done)
                error = (await acknowledgements.wait(1))[0].error
                assert error is not None and error.refused, error
                assert "PD0113" in error.reason and f"write to topic {topic}" in error.reason
                assert not log.health().writable and "PD0113" in log.health().reason
            await asyncio.to_thread(allow_only, options.bootstrap, "TOPIC", topic, ["WRITE"])
            await until(lambda: log.health().writable)  # nothing has been appended since
            await append(log, 0, [b"b"])
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a", b"b"]

    asyncio.run(main())
    lines = [one for one in caplog.records if "PD0113" in one.getMessage()]
    assert len(lines) == 1 and lines[0].levelname == "ERROR" and lines[0].exc_info is None


def test_a_right_to_read_that_is_revoked_is_named_once(
    options: KafkaOptions, caplog: pytest.LogCaptureFixture
) -> None:
    topic = options.log_topic
    found: list[bytes] = []

    def errors() -> list[str]:
        lines = [one for one in caplog.records if "PD0113" in one.getMessage()]
        assert all(one.levelname == "ERROR" and one.exc_info is None for one in lines)
        return [one.getMessage() for one in lines]

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            await append(log, 0, [b"a"])
            log.follow(0, 0, lambda new: found.extend(m.value for m in new), lambda end: None)
            await until(lambda: found == [b"a"])
            operations = ["DESCRIBE", "DESCRIBE_CONFIGS", "WRITE"]
            await asyncio.to_thread(allow_only, options.bootstrap, "TOPIC", topic, operations)
            await until(errors)
            await append(log, 0, [b"b"])
            await asyncio.sleep(2)
            assert len(errors()) == 1 and f"read topic {topic}" in errors()[0]
            await asyncio.to_thread(allow_only, options.bootstrap, "TOPIC", topic, ["READ"])
            await until(lambda: found == [b"a", b"b"])

    asyncio.run(main())
    assert len(errors()) == 1


def test_a_missing_permission_to_create_a_topic_is_refused(options: KafkaOptions) -> None:
    all_but_create = ["DESCRIBE", "READ", "WRITE", "DESCRIBE_CONFIGS"]
    allow_only(options.bootstrap, "TOPIC", options.meta_topic, all_but_create)
    with no_topic_may_be_made(options.bootstrap):
        refused = asyncio.run(refusal(options))
    assert refused.code == "PD0113"
    assert f"may not create topic {options.meta_topic}" in refused.message


def test_a_missing_permission_on_the_group_is_refused(options: KafkaOptions) -> None:
    allow_only(options.bootstrap, "GROUP", options.group, ["ALTER_CONFIGS"])

    async def main() -> None:
        async with opened(KafkaLog(options)) as log:
            log.lead(lambda number: None, lambda number: None, unexpected)
            await until(lambda: log.health().refused is not None)
            refused = log.health().refused
            assert refused is not None and refused.remedy
            assert refused.code == "PD0113" and options.group in refused.message

    asyncio.run(main())
