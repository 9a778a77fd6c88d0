"""Ids of consumed records: the same when read again, others for all that is not the same record."""

from itertools import combinations

from msgspec.structs import replace

from orchestrator.model.ids import (
    consumed_id,
    key_partition_key,
    partition_of,
    partition_of_key,
    send_partition_key,
    source_partition_key,
)
from orchestrator.model.topics import Source

SOURCE = Source("sub_1", "orders", bytes(16), 3, "log")


def test_an_id_names_one_record() -> None:
    others = [
        (replace(SOURCE, subscription="sub_2"), 0, 7),
        (replace(SOURCE, topic_id=b"\1" * 16), 0, 7),
        (replace(SOURCE, partition=4), 0, 7),
        (SOURCE, 1, 7),
        (SOURCE, 0, 8),
        (SOURCE, 0, 7),
    ]
    ids = [consumed_id(source, generation, offset, "k") for source, generation, offset in others]
    assert all(one != other for one, other in combinations(ids, 2))
    renamed = replace(SOURCE, topic="other", cluster="other")
    assert consumed_id(renamed, 0, 7, "k") == ids[-1]


def test_keyed_ones_live_with_their_key_others_in_the_home() -> None:
    for count in (1, 3, 24):
        home = partition_of_key(source_partition_key(SOURCE), count)
        assert partition_of(consumed_id(SOURCE, 5, 7, None), count) == home
        with_key = partition_of(consumed_id(SOURCE, 5, 7, "k"), count)
        assert with_key == partition_of_key(key_partition_key("k"), count)


def test_records_of_one_key_are_sent_from_one_partition() -> None:
    placed = send_partition_key("log", "orders", b"\xff")
    assert placed is not None and len(placed) == 8
    assert placed == send_partition_key("log", "orders", b"\xff")
    assert placed != send_partition_key("log", "orders", b"\xfe")
    assert send_partition_key("log", "orders", None) is None
