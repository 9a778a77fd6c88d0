"""The embedded log without its threads: segments end to end, one write and one sync a turn.

`write` and `mend`, `begin` and `keep` or `rescue`, are called by one thread at a time; `read`,
`trim` and `prepare` may run beside them. What `read` can see is durable: a message is in the index
only after the sync that covered it.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.log.embedded import frames
from orchestrator.log.embedded.durable_mark import DurableMark
from orchestrator.log.embedded.recovery import open_segments
from orchestrator.log.embedded.segments import (
    Segment,
    discard,
    encode_head,
    head_bytes_of,
    pieces_of,
    segment_name,
)
from orchestrator.log.embedded.spares import SegmentSizes, Spares
from orchestrator.log.files import File, Files, write_whole
from orchestrator.log.port import AppendError, Batch, LogCorrupt, LogMessage, OffsetOutOfRange


class Written(NamedTuple):
    """Frames behind the end of the log, and what is known of them once they are durable."""

    firsts: list[int]  # the first offset of each append
    nexts: list[int]
    placed: list[tuple[int, int]]  # (partition, position)
    pieces: list[bytes]  # end to end; large messages are not copied
    bytes_count: int


class SegmentChain:
    """All partitions of one log in one run of segments."""

    def __init__(
        self,
        files: Files,
        identity: bytes,
        partition_count: int,
        sizes: SegmentSizes,
        marks: Files | None = None,
    ) -> None:
        """`marks` is the directory of the durable mark; None: that of the segments."""
        self._files = files
        self._identity = identity
        self._partition_count = partition_count
        self._head_bytes = head_bytes_of(partition_count)
        self._mark = DurableMark(files if marks is None else marks, identity)
        self._spares = Spares(files, sizes, self._head_bytes)
        self._segments: list[Segment] = []
        self._nexts = [0] * (partition_count + 1)  # by partition + 1, as everywhere below
        self._trims = [0] * (partition_count + 1)
        self._names_unsynced = False
        self._sync_failed = False
        self._lock = threading.Lock()  # the list of segments and their files

    def create(self) -> None:
        """Make the first segment of a log that has none; raises `OSError`."""
        self._mark.create()
        self._roll(0)
        self._sync_names()

    def open(self) -> None:
        """Raises `OSError` and `LogCorrupt`."""
        self._mark.open()
        self._segments = open_segments(
            self._files, self._identity, self._partition_count, self._mark.position
        )
        tail = self._segments[-1]
        self._nexts = [
            start + len(tail.positions(number - 1)) for number, start in enumerate(tail.starts)
        ]
        with contextlib.suppress(OSError):  # then an earlier mark stands
            self._mark.renew(tail.end)

    def close(self) -> None:
        if self._segments:
            with contextlib.suppress(OSError):  # then an earlier mark stands
                self.mark()
        self._mark.close()
        self._spares.close()
        with self._lock:
            for segment in self._segments:
                segment.file.close()
            self._segments = []

    # writing

    def write(self, appends: Batch) -> list[int]:
        """Make all of it durable; returns the first offset of each, raises `AppendError`."""
        written = self._encode(appends, self._segments[-1].end)
        self._make_ready(written.bytes_count)  # a new segment begins at the same end
        self._put(self._segments[-1], written.pieces)
        return self.keep(written)

    def begin(self, appends: Batch) -> Written | None:
        """Write what fits into the tail as it is, and sync nothing. None: `write` it instead,
        which puts the same bytes in the same place and deals with what is in the way."""
        tail = self._segments[-1]
        if self._sync_failed or self._names_unsynced:
            return None
        written = self._encode(appends, tail.end)
        if tail.room_bytes < written.bytes_count:
            return None
        try:
            tail.write_at(tail.end, written.pieces)
        except OSError:
            return None
        return written

    @property
    def tail_file(self) -> File:
        """Where `begin` writes: the file to sync."""
        return self._segments[-1].file

    def keep(self, written: Written) -> list[int]:
        """It is durable; returns the first offset of each append."""
        tail = self._segments[-1]
        for partition, position in written.placed:
            tail.add(partition, position)
        tail.end += written.bytes_count
        self._nexts = written.nexts
        self._mark.note(tail.end)
        return written.firsts

    def rescue(self, written: Written) -> list[int]:
        """Its sync failed: write it to a copy of the tail; raises `AppendError`."""
        self._sync_failed = True
        self._put_on_copy(written.pieces)
        return self.keep(written)

    def mend(self) -> None:
        """Repair what made the last write fail; raises `AppendError` while that is impossible."""
        self._make_ready(frames.FRAME_HEAD_BYTES)

    def _make_ready(self, size: int) -> None:
        """A tail with enough room, in a file that may be synced; else the append is refused."""
        try:
            if self._sync_failed:
                self._replace_tail()
            if self._segments[-1].room_bytes < size:
                self._roll(size)
            if self._names_unsynced:
                self._sync_names()
        except OSError as error:
            raise AppendError(f"the log cannot be written: {error}", refused=True) from error

    def _encode(self, appends: Batch, durable: int) -> Written:
        nexts = self._nexts.copy()
        firsts, placed, parts = [], [], []
        position = durable
        for partition, messages in appends:
            offset = nexts[partition + 1]
            firsts.append(offset)
            for value in messages:
                parts.append(frames.encode_frame(partition, offset, position, durable, value))
                parts.append(value)
                placed.append((partition, position))
                position += frames.FRAME_HEAD_BYTES + len(value)
                offset += 1
            nexts[partition + 1] = offset
        return Written(firsts, nexts, placed, pieces_of(parts), position - durable)

    def _put(self, tail: Segment, pieces: list[bytes]) -> None:
        try:
            tail.write_at(tail.end, pieces)
        except OSError as error:
            self._cut_back(tail)
            raise AppendError(f"the log cannot be written: {error}", refused=True) from error
        try:
            tail.file.sync()
        except OSError:
            self._sync_failed = True
            self._put_on_copy(pieces)

    def _cut_back(self, tail: Segment) -> None:
        """Nothing of a failed write may be found later; the next one begins a segment."""
        try:
            tail.file.truncate(tail.at(tail.end))
            tail.limit = tail.end
            tail.file.sync()
        except OSError as error:
            self._sync_failed = True
            raise AppendError(f"a write could not be undone: {error}", refused=False) from error

    def _put_on_copy(self, pieces: list[bytes]) -> None:
        """The state of a file after a failed sync is unknown: write and sync a copy."""
        try:
            self._replace_tail()
            self._sync_names()
            tail = self._segments[-1]
            self._sync_failed = True  # until this one is through
            tail.write_at(tail.end, pieces)
            tail.file.sync()
            self._sync_failed = False
        except OSError as error:
            raise AppendError(f"the log could not be synced: {error}", refused=False) from error

    # segments

    def _roll(self, needed_bytes: int) -> None:
        """Begin a new segment at the end of the last one."""
        last = self._segments[-1] if self._segments else None
        base = last.end if last is not None else 0
        name, file = self._spares.take(last.limit - last.base if last else 0, needed_bytes)
        self._adopt(name, file, base, self._nexts)
        segment = Segment(file, base, self._nexts, self._head_bytes)
        segment.begin_empty()
        with self._lock:
            if last is not None and last.end == last.base:  # empty: it has the same name
                last.file.close()
                self._segments.pop()
            self._segments.append(segment)

    def _replace_tail(self) -> None:
        """Copy what is durable to a new file, which takes the place of one whose sync failed."""
        tail = self._segments[-1]
        name, file = self._spares.copy_of(tail.limit - tail.base)
        try:
            self._copy_frames(tail, file)
        except (OSError, LogCorrupt):
            discard(self._files, name, file)
            raise
        self._adopt(name, file, tail.base, tail.starts)
        with self._lock:
            tail.file.close()
            tail.file = file
            tail.limit = tail.base + file.length() - tail.head_bytes
        self._sync_failed = False

    def _copy_frames(self, tail: Segment, file: File) -> None:
        position = tail.base
        window = tail.window(tail.end)
        for frame in window.frames(tail.base):
            write_whole(file, tail.at(position), window.bytes_at(position, frame.end - position))
            position = frame.end
        if position != tail.end:
            raise LogCorrupt(f"segment {tail.name} is damaged at position {position}")

    def _adopt(self, name: str, file: File, base: int, starts: Sequence[int]) -> None:
        """Give a file the head and the name of a segment; nothing is acknowledged before
        `_sync_names`."""
        try:
            write_whole(file, 0, encode_head(self._identity, base, starts))
            file.sync()
            self._files.rename(name, segment_name(base))
        except OSError:
            discard(self._files, name, file)
            raise
        self._names_unsynced = True

    def _sync_names(self) -> None:
        self._files.sync_names()
        self._names_unsynced = False

    # beside the writer

    def mark(self) -> None:
        """Note, durably, how far the log is durable; raises `OSError`."""
        self._mark.set(self._durable_end())
        self._mark.note(self._durable_end())  # of what came meanwhile, too

    def _durable_end(self) -> int:
        with self._lock:
            return self._segments[-1].end

    def wants_spare(self) -> bool:
        tail = self._segments[-1]
        return self._spares.wanted(tail.room_bytes, tail.limit - tail.base)

    def prepare(self) -> None:
        """Make the next segment's file; raises `OSError`, which the next roll would meet too."""
        tail = self._segments[-1]
        self._spares.prepare(tail.limit - tail.base)

    def is_in_place(self) -> bool:
        """Whether the file that is written to still has its name; raises `OSError`."""
        return self._segments[-1].name in self._files.names()

    def below_reserve(self) -> bool:
        """Whether so little space is left that no new work should be let in; raises `OSError`."""
        return self._spares.below_reserve()

    def bounds(self, partition: int) -> tuple[int, int]:
        return self._segments[0].starts[partition + 1], self._nexts[partition + 1]

    def read(self, partition: int, offset: int, bytes_max: int) -> list[LogMessage]:
        """Messages from `offset` on, at least one if there is one; raises `OSError` too."""
        with self._lock:
            first, end = self.bounds(partition)
            if not first <= offset <= end:
                raise OffsetOutOfRange(first, end)
            if offset == end:
                return []
            return self._read_segment(partition, offset, end, bytes_max)

    def _read_segment(
        self, partition: int, offset: int, end: int, bytes_max: int
    ) -> list[LogMessage]:
        index = partition + 1
        segment = next(s for s in reversed(self._segments) if s.starts[index] <= offset)
        at = offset - segment.starts[index]
        window = segment.window(segment.limit)
        found: list[LogMessage] = []
        for position in segment.positions(partition)[at : at + end - offset]:
            frame = window.frame_at(position)
            if frame is None or (frame.partition, frame.offset) != (partition, offset):
                raise LogCorrupt(
                    f"offset {offset} of partition {partition} in segment {segment.name} is damaged"
                )
            found.append(LogMessage(offset, frame.value))
            offset += 1
            bytes_max -= frames.FRAME_HEAD_BYTES + len(frame.value)
            if bytes_max <= 0:
                break
        return found

    def trim(self, partition: int, below_offset: int) -> bool:
        """Note what is no longer needed; True when `drop` has something to do."""
        self._trims[partition + 1] = max(below_offset, self._trims[partition + 1])
        return self._droppable()

    def _droppable(self) -> bool:
        oldest = self._segments[:2]
        return len(oldest) == 2 and all(
            trim >= start for trim, start in zip(self._trims, oldest[1].starts, strict=True)
        )

    def drop(self) -> None:
        """Delete the oldest segments that nobody needs; raises `OSError`."""
        while True:
            with self._lock:
                if not self._droppable():
                    return
                self._files.delete(self._segments[0].name)  # may fail: then it stays the oldest
                self._segments.pop(0).file.close()
            self._files.sync_names()  # one by one: no hole between segments may survive a crash
