"""What an operator is told to do about topics and nodes helps when it is done to the letter."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.log.kafka.group import _other_node
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.kafka.topic_configs import _alter, _faults
from orchestrator.log.kafka.topics import _verify_partitions
from orchestrator.log.port import LogRefused

OPTIONS = KafkaOptions("b1:9092,b2:9092", Path("/nowhere"))
RIGHT = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    "max.message.bytes": str(OPTIONS.batch_bytes_max),
    "min.insync.replicas": "1",
}


def test_every_fault_of_a_topic_is_mended_by_one_command() -> None:
    """Not one start for each of them; and the command says which brokers."""
    wrong = {**RIGHT, "retention.ms": "5", "retention.bytes": "5", "min.insync.replicas": "3"}
    found = _faults(wrong, OPTIONS.batch_bytes_max, 2)
    wanted = {name: value for name, value, _ in found}
    assert wanted == {"retention.ms": "-1", "retention.bytes": "-1", "min.insync.replicas": "1"}
    words = shlex.split(_alter(OPTIONS, {"perdure.log": wanted}).partition(": ")[2])
    assert words[:3] == ["kafka-configs.sh", "--bootstrap-server", "b1:9092,b2:9092"]
    given = dict(pair.split("=") for pair in words[-1].split(","))
    assert not _faults({**wrong, **given}, OPTIONS.batch_bytes_max, 2)


def test_a_topic_that_is_right_has_no_faults() -> None:
    assert not _faults(RIGHT, OPTIONS.batch_bytes_max, 1)
    assert _faults({**RIGHT, "max.message.bytes": "5"}, OPTIONS.batch_bytes_max, 1)


def refused(topic: str, count: int, options: KafkaOptions) -> LogRefused:
    description: Any = SimpleNamespace(name=topic, partitions=[None] * count)
    wanted = 1 if topic == options.meta_topic else options.partitions
    with pytest.raises(LogRefused) as caught:
        _verify_partitions(description, wanted, options)
    return caught.value


def test_partitions_that_were_added_cannot_be_asked_for() -> None:
    """A data directory that has been used refuses another number: that would be a circle."""
    new = refused("perdure.log", 8, OPTIONS)
    assert "--partitions 8" in new.remedy
    grown = refused("perdure.log", 8, replace(OPTIONS, known=b"x"))
    assert "--partitions" not in grown.remedy and "Kafka takes none away" in grown.message
    meta = refused("perdure.meta", 3, OPTIONS)
    assert "--delete --topic perdure.meta" in meta.remedy and "--partitions" not in meta.remedy
    assert "--bootstrap-server b1:9092,b2:9092" in meta.remedy


def test_another_cluster_needs_another_data_directory() -> None:
    """What is in one belongs to the cluster that it was first used with."""
    one = replace(OPTIONS, one_node=True)
    for refusal in (
        refused("perdure.log", 8, OPTIONS),
        _other_node(one, "other"),
        _other_node(one, one.node_name),
    ):
        assert re.search(r"--cluster with a --data-dir of its own", refusal.remedy)


def test_another_name_does_not_help_where_a_cluster_has_one_node() -> None:
    one = replace(OPTIONS, one_node=True)
    assert "--node-name" not in _other_node(one, one.node_name).remedy
    assert "--node-name" in _other_node(OPTIONS, OPTIONS.node_name).remedy
