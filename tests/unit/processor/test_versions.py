"""What a newer version of the software wrote is kept for it, not discarded as damaged."""

import pytest

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row, row_decoder
from orchestrator.machine import apply_leader
from orchestrator.model.rows import PartitionRow
from orchestrator.store.stamp import STAMP_KEY
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import World


def next_level(row: bytes) -> bytes:
    own = row_decoder(PartitionRow)(row)
    own.level = apply_leader.LEVEL_MAX + 1
    return encode_row(own)


def more_fields(row: bytes) -> bytes:
    """An array of one element more."""
    assert row[1] == 0xDC, "an array of 16 elements or more"
    count = int.from_bytes(row[2:4], "big") + 1
    return row[:2] + count.to_bytes(2, "big") + row[4:] + b"\x00"


CHANGES = {
    "a level that is not known": (keys.PARTITION, next_level),
    "a row of another version": (keys.PARTITION, lambda row: b"\x02" + row[1:]),
    "a row with more fields": (keys.PARTITION, more_fields),
    "a stamp of another version": (STAMP_KEY, lambda stamp: b"\x02" + stamp[1:]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_store_of_a_newer_version_is_kept(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(partition_count=1)
        first = await world.led()
        await first.call(first.make(world.uid()))
        await first.processor.close()
        home = world.homes[0]
        key, changed = CHANGES[change]
        home.flushed[key] = changed(home.flushed[key])
        copies = {applied: dict(rows) for applied, rows in home.copies.items()}
        kept = dict(home.flushed)

        older = await world.process()
        await older.until(lambda: bool(older.processor.stopped()))
        assert "PD0308" in older.processor.stopped()[0]
        await older.processor.close()
        assert home.flushed == kept and home.copies == copies

        if changed is next_level:  # the version that knows it goes on from there
            monkeypatch.setattr(apply_leader, "LEVEL_MAX", apply_leader.LEVEL_MAX + 1)
            newer = await world.led()
            assert len(await newer.call(newer.make(world.uid()))) == 2
            await newer.processor.close()

    run(story())
