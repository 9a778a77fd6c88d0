"""Checkpoints of the metadata: what they stand in for, and when they are not used."""

import asyncio
import os
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.log.memory import MemoryTopic
from orchestrator.log.port import META, LogCorrupt
from orchestrator.registry import checkpoint
from orchestrator.registry.apply_metadata import MetadataCorrupt, MetadataState, encode_state
from orchestrator.registry.metadata import MetadataLost
from tests.unit.registry.test_metadata import registering, start


def test_checkpoints_stand_in_for_what_was_trimmed(tmp_path: Path) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic, tmp_path, trim=True)
        await metadata.change(registering("a"))
        await metadata.checkpoint()
        assert topic.firsts[META] == 0  # the other checkpoint does not exist yet
        await metadata.change(registering("b"))
        await metadata.checkpoint()
        assert topic.firsts[META] == 1
        await metadata.checkpoint()
        await metadata.checkpoint()
        assert topic.firsts[META] == 2  # both cover everything: the log may forget it
        await metadata.change(registering("c"))
        again = await start(topic, tmp_path)
        assert list(again.state.deployments) == ["a", "b", "c"]
        newest = max(tmp_path.glob("metadata-*"), key=os.path.getmtime)
        newest.write_bytes(newest.read_bytes()[:-1])
        again = await start(topic, tmp_path)
        assert encode_state(again.state) == encode_state(metadata.state)
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(MetadataLost, match="offset 2"):
            await start(topic, tmp_path)

    asyncio.run(run())


def test_a_checkpoint_of_another_log_is_not_used(tmp_path: Path) -> None:
    async def run() -> None:
        metadata = await start(MemoryTopic(1, b"old"), tmp_path)
        await metadata.change(registering("a"))
        await metadata.checkpoint()
        fresh = await start(MemoryTopic(1, b"new"), tmp_path)
        assert fresh.state.deployments == {} and fresh.applied == 0

    asyncio.run(run())


def test_a_checkpoint_ahead_of_a_log_that_lost_its_tail_is_not_used(tmp_path: Path) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic, tmp_path)
        await metadata.change(registering("a"))
        await metadata.change(registering("b"))
        await metadata.checkpoint()
        topic.cut(META, 1)
        again = await start(topic, tmp_path)
        assert list(again.state.deployments) == ["a"]

    asyncio.run(run())


def test_a_checkpoint_ahead_of_a_log_that_loses_nothing_proves_damage(tmp_path: Path) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        topic.may_lose_its_tail = False
        metadata = await start(topic, tmp_path)
        await metadata.change(registering("a"))
        await metadata.checkpoint()
        topic.cut(META, 0)
        for _ in range(2):
            with pytest.raises(LogCorrupt, match="the metadata end at offset 0"):
                await start(topic, tmp_path)

    asyncio.run(run())


def test_a_checkpoint_of_a_tail_that_grew_again_is_not_used(tmp_path: Path) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic, tmp_path)
        await metadata.change(registering("a"))
        await metadata.checkpoint()
        await metadata.change(registering("lost"))
        await metadata.checkpoint()
        topic.cut(META, 1)
        elsewhere = await start(topic)
        await elsewhere.change(registering("new"))
        again = await start(topic, tmp_path)
        assert list(again.state.deployments) == ["a", "new"]
        await again.checkpoint()
        again = await start(topic, tmp_path)
        assert list(again.state.deployments) == ["a", "new"]

    asyncio.run(run())


def test_a_checkpoint_of_the_first_version_is_still_read(tmp_path: Path) -> None:
    async def run() -> None:
        topic = MemoryTopic(1)
        metadata = await start(topic)
        await metadata.change(registering("a"))
        old = msgspec.msgpack.encode([topic.identity, 1, encode_state(metadata.state)])
        head = len(old).to_bytes(4, "big") + zlib.crc32(old).to_bytes(4, "big")
        (tmp_path / "metadata-a").write_bytes(b"PDMETA1\n" + head + old)
        topic.trim(META, 1)
        again = await start(topic, tmp_path)
        assert list(again.state.deployments) == ["a"]

    asyncio.run(run())


@settings(max_examples=50)
@given(st.integers(min_value=0, max_value=400), st.integers(min_value=0, max_value=255))
def test_any_damage_leaves_the_other_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    directory = tmp_path_factory.mktemp("meta")
    state = MetadataState()
    for applied in (1, 2):
        state.version = applied
        checkpoint.save(directory, checkpoint.Checkpoint(b"log", applied, encode_state(state)))
    file = directory / "metadata-b"
    content = bytearray(file.read_bytes())
    content[at % len(content)] = value
    file.write_bytes(content[: at + 1] if at % 3 == 0 else content)
    assert checkpoint.load(directory)[-1].applied == 1


def test_a_directory_that_cannot_be_read_is_told_as_one(tmp_path: Path) -> None:
    """What the log has trimmed may be in it: it does not count as empty."""
    (tmp_path / "metadata").write_text("a file")
    (tmp_path / "held" / "metadata-a").mkdir(parents=True)
    for directory in (tmp_path / "metadata", tmp_path / "held"):
        with pytest.raises(MetadataCorrupt, match=r"PD0502.*metadata-a"):
            checkpoint.load(directory)
