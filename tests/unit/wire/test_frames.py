"""Frames: any splitting of the stream, limits, and frames stored end to end."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.wire import (
    REQUESTED_ACK,
    CallCommand,
    FrameReader,
    FrameTooLarge,
    RunCommand,
    SleepCommand,
    WireError,
    codes,
    completion_void,
    count,
    encode,
    frame,
    split,
)

u16 = st.integers(0, 0xFFFF)
whole_frames = st.lists(st.tuples(u16, u16, st.binary(max_size=40)), max_size=12)


@given(whole_frames, st.lists(st.integers(0, 600), max_size=20))
def test_any_splitting_gives_the_same_frames(
    parts: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    frames = [(code, flags, frame(code, body, flags)) for code, flags, body in parts]
    stream = b"".join(raw for _, _, raw in frames)
    bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader(1000)
    found = []
    ends = {0}
    for _, _, raw in frames:
        ends.add(max(ends) + len(raw))
    for first, last in pairwise(bounds):
        found += reader.feed(stream[first:last])
        assert reader.pending == (last not in ends)
    assert found == frames


def test_byte_by_byte() -> None:
    reader = FrameReader(1000)
    raw = frame(codes.RUN, b"abc", REQUESTED_ACK)
    found = [whole for at in range(len(raw)) for whole in reader.feed(raw[at : at + 1])]
    assert found == [(codes.RUN, REQUESTED_ACK, raw)]
    assert reader.feed(b"") == []
    assert not reader.pending


def test_a_frame_in_tiny_pieces_costs_no_object_for_each() -> None:
    raw = frame(codes.OUTPUT, b"x" * 100_000)
    reader = FrameReader(1 << 20)
    reader.feed(raw[:2000])
    tracemalloc.start()
    for at in range(2000, len(raw) - 1):
        assert reader.feed(raw[at : at + 1]) == []
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 2 * len(raw)
    assert reader.feed(raw[-1:]) == [(codes.OUTPUT, 0, raw)]


@given(st.lists(st.integers(1, 3000), max_size=30))
def test_small_and_large_pieces_keep_their_order(sizes: list[int]) -> None:
    raw = frame(codes.OUTPUT, bytes(number % 251 for number in range(30_000)))
    reader = FrameReader(1 << 20)
    found, at = [], 0
    for size in [*sizes, len(raw)]:
        found += reader.feed(raw[at : at + size])
        at += size
    assert found == [(codes.OUTPUT, 0, raw)]


def test_header_is_big_endian_code_flags_length() -> None:
    assert frame(0x0411, b"abc", REQUESTED_ACK) == bytes.fromhex("0411 8000 00000003") + b"abc"


def test_limit_is_exclusive_and_seen_in_the_header_alone() -> None:
    assert FrameReader(4).feed(frame(codes.RUN, b"abc"))
    reader = FrameReader(4)
    before = frame(codes.SLEEP, b"ab")
    with pytest.raises(FrameTooLarge, match="4 bytes, the limit is 4") as caught:
        reader.feed(before + frame(codes.RUN, b"abcd")[:8])
    error = caught.value
    assert (error.code, error.size_bytes, error.limit_bytes) == (codes.RUN, 4, 4)
    assert error.frames == [(codes.SLEEP, 0, before)]
    with pytest.raises(FrameTooLarge) as again:
        reader.feed(b"")
    assert again.value.frames == []


def test_large_frame_in_small_pieces() -> None:
    body = bytes(range(256)) * 4096
    raw = frame(codes.OUTPUT, body) + frame(codes.END, b"")
    reader = FrameReader(2**20 + 1)
    found = []
    for at in range(0, len(raw), 1000):
        found += reader.feed(raw[at : at + 1000])
    assert found == [
        (codes.OUTPUT, 0, frame(codes.OUTPUT, body)),
        (codes.END, 0, frame(codes.END, b"")),
    ]


@given(whole_frames)
def test_split_and_count_stored_frames(parts: list[tuple[int, int, bytes]]) -> None:
    stored = b"".join(frame(code, body, flags) for code, flags, body in parts)
    found = [(code, flags, stored[a + 8 : b]) for code, flags, a, b in split(stored)]
    assert found == parts
    commands = sum(codes.is_command(code) for code, _, _ in parts)
    assert count(stored) == (len(parts), commands)


def test_count_of_a_journal() -> None:
    journal = (
        encode(RunCommand(1))
        + completion_void(codes.SLEEP_COMPLETION, 1)
        + encode(SleepCommand(1, 2))
    )
    assert count(journal) == (3, 2)
    assert count(b"") == (0, 0)


@pytest.mark.parametrize("cut", [1, 7, 8, 12])
def test_split_refuses_half_a_frame(cut: int) -> None:
    stored = encode(RunCommand(1)) + encode(CallCommand("Service", "handler", b"", 1, 2))[:cut]
    with pytest.raises(WireError):
        list(split(stored))
