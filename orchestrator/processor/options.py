"""Options of the processor: sizes and times of its loop, each with its unit."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from orchestrator.model.own_topics import LETTERS_KEPT_MS
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.runtime.kinds import PLACES, duration_ms, duration_s, size, whole_number
from orchestrator.runtime.settings import Setting
from orchestrator.tables.cache import CACHE_BYTES_MAX, Cache
from orchestrator.timers.alarm import WAIT_MAX_MS
from orchestrator.timers.queue import WINDOW_MS


def _skip_nothing(partition: int, offset: int) -> bool:
    return False


class ProcessorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a node decides for all its partitions."""

    node: str = "node"

    # A turn (all proposals since the last one) and its pace.
    turn_gap_max_s: float = 0.002
    turn_gap_per_attempt_s: float = 30e-6
    turn_patience_s: float = 0.01  # a turn waits so long for the appends of the one before

    # The door for new work.
    door_age_s: float = 2.0  # oldest append not acknowledged, or time without a leader
    held_bytes_max: int = 64 << 20  # bodies not in the log yet, of all partitions or one's small

    pending_records_max: int = 4_000
    """Of a partition, more than a turn takes: its log is behind, its services must wait."""

    tick_s: float = 0.1  # of housekeeping, while anything is unsettled

    # Write-behind.
    spill_rows: int = 1_000
    spill_bytes: int = 4 << 20  # of records whose rows no spill has written yet
    spill_s: float = 0.5
    flush_records: int = 20_000
    checkpoint_records: int = 200_000
    checkpoint_bytes: int = 64 << 20
    lag_bytes: int = 256 << 20
    """Written by all partitions since one made its last checkpoint: then it must make the next."""
    trims: bool = True
    """Whether the log may forget what the local checkpoints hold: only if it lives beside them."""

    # Leadership.
    retry_first_s: float = 0.05
    retry_max_s: float = 2.0

    cleanup_s: Annotated[
        float,
        Setting("how often what expired is removed", duration_s(), name="cleanup_interval"),
    ] = 3600.0
    dead_letter_retention_ms: Annotated[
        int, Setting("how long dead letters are kept", duration_ms(1_000))
    ] = LETTERS_KEPT_MS
    timers_per_record: int = 1_000  # fired at once by all partitions together
    # Where the clock is never set, both may be as long as one likes.
    timers_ahead_ms: int = WINDOW_MS  # how far ahead timers are held in memory
    look_every_ms: int = WAIT_MAX_MS  # at what is due, at least

    # One journal; past it the invocation is paused (PD0307).
    journal_entries_max: Annotated[
        int, Setting("entries of the journal of one invocation", whole_number(100, 10_000_000))
    ] = JournalLimits().entries_max
    journal_bytes_max: Annotated[
        int,
        Setting(
            "bytes of the journal of one invocation", size(1 << 20, 1 << 40), name="journal_max"
        ),
    ] = JournalLimits().bytes_max

    cache_bytes_max: Annotated[
        int,
        Setting(
            "memory for rows, inputs and results that may be needed again", size(1 << 20, 1 << 40)
        ),
    ] = CACHE_BYTES_MAX
    cache: Cache = msgspec.field(default_factory=Cache)
    """That memory, shared by the tables of all partitions."""

    skip_messages: Annotated[
        frozenset[tuple[int, int]],
        Setting("messages of the log that cannot be decoded, to go on without", PLACES),
    ] = frozenset()
    skip: Callable[[int, int], bool] = _skip_nothing
    """(partition, offset): an operator allowed to go on without this undecodable message."""
