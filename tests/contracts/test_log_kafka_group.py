"""Nodes on one cluster of Kafka: who leads what, and who is refused."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from tests.contracts.places import PARTITIONS
from tests.contracts.test_log import append, opened
from tests.contracts.test_log_kafka import leading, refusal, unexpected, until


def test_a_second_node_on_the_cluster_is_refused_until_the_first_is_gone(
    options: KafkaOptions, tmp_path: Path
) -> None:
    other = replace(options, directory=tmp_path / "b", node_name="other")

    async def main() -> None:
        async with opened(KafkaLog(options)) as log, leading(log):
            twin = replace(other, directory=tmp_path / "c", node_name=options.node_name)
            of_other, of_twin = await asyncio.gather(refusal(other), refusal(twin))
            assert of_other.code == "PD0117" and options.node_name in of_other.message
            assert of_twin.code == "PD0118" and options.node_name in of_twin.message
            assert log.health().writable and log.health().refused is None
        async with opened(KafkaLog(other)) as log, leading(log):
            await append(log, 0, [b"a"])

    asyncio.run(main())


def test_a_node_whose_name_was_taken_stops_leading_and_says_why(
    options: KafkaOptions, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            opened(KafkaLog(options)) as first,
            opened(KafkaLog(replace(options, directory=tmp_path / "b"))) as second,
        ):  # both looked before either had joined
            assigned: list[int] = []
            first.lead(assigned.append, assigned.remove, unexpected)
            await until(lambda: len(assigned) == PARTITIONS)
            async with leading(second):
                await until(lambda: not assigned)
            refused = first.health().refused
            assert refused is not None and refused.code == "PD0118"
            assert not first.health().writable

    asyncio.run(main())


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
@pytest.mark.parametrize("names", ["a b", "b a"])
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one later"])
def test_of_two_nodes_that_saw_nobody_one_leads_all_and_one_is_refused(
    options: KafkaOptions, tmp_path: Path, partitions: int, names: str, together: bool
) -> None:
    async def main() -> None:
        logs, led = {}, {name: set[int]() for name in names.split()}
        for name in led:  # all look before any has joined
            directory = tmp_path / name
            given = replace(options, directory=directory, node_name=name, partitions=partitions)
            logs[name] = KafkaLog(given)
            await logs[name].open()
        try:
            for name, log in logs.items():
                log.lead(led[name].add, led[name].remove, unexpected)
                if not together and name == names[0]:
                    await until(lambda: len(led[names[0]]) == partitions)
                    await asyncio.sleep(1.5)  # it has looked again, and saw nobody
            await until(lambda: logs["b"].health().refused is not None)
            refused = logs["b"].health().refused
            assert refused is not None and refused.code == "PD0117" and refused.remedy
            assert "Node a runs" in refused.message
            assert not led["b"] and not logs["b"].health().writable
            began = time.monotonic()
            await until(lambda: len(led["a"]) == partitions)
            assert time.monotonic() - began < 4, "shorter than a session of the group"
            await logs["b"].close()
            await append(logs["a"], 0, [b"a"])
            assert logs["a"].health().writable and logs["a"].health().refused is None
            assert led == {"a": set(range(partitions)), "b": set()}
        finally:
            for log in logs.values():
                await log.close()

    asyncio.run(main())


def test_nodes_share_the_partitions_where_there_may_be_several(
    options: KafkaOptions, tmp_path: Path
) -> None:
    shared = replace(options, one_node=False)

    async def main() -> None:
        led: dict[str, set[int]] = {"a": set(), "b": set()}
        logs = {
            name: KafkaLog(replace(shared, directory=tmp_path / name, node_name=name))
            for name in led
        }
        async with opened(logs["a"]) as a, opened(logs["b"]) as b:
            a.lead(led["a"].add, led["a"].remove, unexpected)
            await until(lambda: len(led["a"]) == PARTITIONS)
            b.lead(led["b"].add, led["b"].remove, unexpected)
            await until(lambda: bool(led["b"]) and len(led["a"] | led["b"]) == PARTITIONS)
            assert not led["a"] & led["b"]
            assert a.health().refused is None and b.health().refused is None

    asyncio.run(main())


CHILD = """
import asyncio, sys
from pathlib import Path
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions

async def main():
    log = KafkaLog(KafkaOptions(sys.argv[1], Path(sys.argv[2]), cluster=sys.argv[3], partitions=3,
                                message_bytes_max=int(sys.argv[4])))
    await log.open()
    log.lead(lambda number: print(number, flush=True), lambda number: None, print)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_node_that_was_killed_has_its_partitions_back_at_once(options: KafkaOptions) -> None:
    arguments = [options.bootstrap, str(options.directory), options.cluster]
    arguments.append(str(options.message_bytes_max))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child:
        for _ in range(PARTITIONS):
            assert child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)

    async def main() -> float:
        began = time.monotonic()
        async with opened(KafkaLog(options)) as log, leading(log):
            return time.monotonic() - began

    assert asyncio.run(main()) < 3, "shorter than a session of the group"
