"""The bytes of a segment, as they are on disk for ever."""

from orchestrator.log.embedded import frames
from orchestrator.log.embedded.segments import encode_head, head_bytes_of
from orchestrator.log.port import META

HEAD = (
    "50445345474d0001"  # magic and version
    "0102030405060708090a0b0c0d0e0f10"  # identity
    "8000000000000000"  # base
    "03000000"  # count of offsets that follow: the metadata, partition 0, partition 1
    "050000000000000007000000000000000000000000000000"
    "c0af443a"  # checksum
)
FRAME = (
    "f5506401"  # magic and version
    "4d0e8a28"  # checksum
    "05000000"  # length
    "ffffffff"  # partition
    "0500000000000000"  # offset
    "8000000000000000"  # position
    "7000000000000000"  # durable
)


def test_the_head_of_a_segment() -> None:
    head = encode_head(bytes(range(1, 17)), 128, [5, 7, 0])
    assert len(head) == head_bytes_of(2) == 4096
    assert head.rstrip(b"\0").hex() == HEAD
    assert head_bytes_of(1000) == 8192


def test_a_frame() -> None:
    head = frames.encode_frame(META, 5, 128, 112, b"value")
    assert head.hex() == FRAME
    found = frames.decode_frames(head + b"value", 0, 128)
    assert found == frames.Frame(128, META, 5, 112, b"value")
    assert frames.decode_frames(head + b"value", 0, 129) is None
    assert frames.decode_frames(head + b"valve", 0, 128) is None
    assert frames.decode_frames(head + b"valu", 0, 128) is None
    assert frames.decode_frames(bytes(100), 0, 0) is None, "zeros are no frame"
