"""Opening the segments of an embedded log after any end of the process before."""

from itertools import pairwise

from orchestrator.log.embedded.segments import SUFFIX, Segment, open_segment, write_zeros
from orchestrator.log.files import UNFINISHED, Files
from orchestrator.log.port import LogCorrupt


def open_segments(
    files: Files, identity: bytes, partition_count: int, durable: int
) -> list[Segment]:
    """Read the heads of all segments and the frames of the last one; cut off a torn tail.

    Raises `LogCorrupt`, and has changed nothing, if anything is missing below `durable`.
    """
    for name in files.names():
        if name.endswith(UNFINISHED):
            files.delete(name)
    names = [name for name in files.names() if name.endswith(SUFFIX)]
    if not names:
        raise LogCorrupt("the segments of this log are gone")
    segments = [open_segment(files, name, identity, partition_count) for name in names]
    for segment, later in pairwise(segments):
        segment.end = later.base
        if segment.limit < segment.end:
            raise LogCorrupt(f"bytes are gone between segments {segment.name} and {later.name}")
    _recover_tail(segments[-1], durable)
    return segments


def _recover_tail(tail: Segment, known_durable: int) -> None:
    end, durable = tail.scan(tail.limit)
    _refuse_damage_below(tail, end)
    _refuse_lost_tail(end, known_durable)
    # What the last write left may be in memory only, even though it can be read: write it again,
    # so that the sync covers it. And nothing of a torn end may be found behind later frames.
    window = tail.window(tail.limit)
    tail.write_at(durable, [window.bytes_at(durable, end - durable)])
    for position, length in list(window.marked(end)):
        write_zeros(tail.file, tail.at(position), tail.at(position + length))
    tail.file.sync()
    tail.end = end


def _refuse_lost_tail(end: int, known_durable: int) -> None:
    if end < known_durable:
        raise LogCorrupt(
            f"it ends at position {end}, but everything below {known_durable} had been made durable"
        )


def _refuse_damage_below(tail: Segment, end: int) -> None:
    for frame in tail.window(tail.limit).frames_beyond(end):
        if frame.durable > end:
            raise LogCorrupt(
                f"segment {tail.name} is damaged at position {end}, below {frame.durable},"
                " where everything had been made durable"
            )
