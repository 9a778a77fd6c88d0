"""Bytes and frames on their way between an exchange and an app."""

import random

from orchestrator.exchanges.pieces import Frames, Pieces


def test_nothing_is_lost_or_reordered() -> None:
    draw = random.Random(5)
    for _ in range(200):
        chunks = [draw.randbytes(draw.choice((1, 3, 100, 5_000))) for _ in range(draw.randrange(9))]
        pieces, taken = Pieces(chunks[:3]), b""
        for chunk in chunks[3:]:
            pieces.add(chunk)
        assert pieces.size_bytes == sum(map(len, chunks))
        while pieces.size_bytes:
            most = draw.choice((1, 7, 1_000, 100_000))
            part = pieces.take(most)
            assert 0 < len(part) <= most
            taken += part
        assert taken == b"".join(chunks)


def test_what_is_small_is_not_copied() -> None:
    chunk = b"x" * 1_000
    assert Pieces([chunk]).take(1_000) is chunk


def test_a_large_piece_is_copied_once() -> None:
    """Twice the bytes take twice as many parts, each no larger than asked for."""

    def parts(size_bytes: int) -> int:
        pieces, count = Pieces([b"x" * size_bytes]), 0
        while pieces.size_bytes:
            pieces.take(1 << 16)
            count += 1
        return count

    assert parts(8 << 20) == 2 * parts(4 << 20) == 128


def test_clear() -> None:
    pieces = Pieces([b"abc"])
    pieces.take(1)
    pieces.clear()
    pieces.add(b"def")
    assert pieces.take(10) == b"def"


def test_frames_stay_whole_and_in_order() -> None:
    draw = random.Random(6)
    for _ in range(200):
        sent = [draw.randbytes(draw.choice((8, 100, 5_000))) for _ in range(draw.randrange(1, 9))]
        frames, taken = Frames(), []
        frames.add(sent[:3])
        frames.add(sent[3:])
        while frames.size_bytes:
            most = draw.choice((1, 7, 1_000, 100_000))
            part, size_bytes = frames.take(most, True)
            assert size_bytes == sum(map(len, part))
            assert len(part) == 1 or size_bytes <= most
            taken += part
        assert taken == sent


def test_a_frame_beyond_what_is_wanted_waits_unless_it_has_to_go() -> None:
    frames = Frames()
    frames.add([b"x" * 10, b"y"])
    assert frames.take(9, False) == ([], 0)
    assert frames.take(9, True) == ([b"x" * 10], 10)
    frames.clear()
    assert frames.take(9, True) == ([], 0) and not frames.size_bytes
