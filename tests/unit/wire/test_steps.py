"""Runs and their results as a server reads them, against the messages that they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.wire import WireError, WireFailure, codes, completion_failure, completion_value, encode
from perdure.wire.commands import RunCommand, decode_run
from perdure.wire.frames import HEADER_BYTES, frame
from perdure.wire.steps import read_run_completion, read_run_id, read_step

IDS = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
NAMES = st.one_of(st.sampled_from(("", "charge", "n" * 127, "n" * 200)), st.text(max_size=20))


def _run(completion_id: int, name: str) -> bytes:
    return encode(RunCommand(completion_id, name))


@given(IDS, NAMES, st.integers(0, 40), st.integers(0, 255))
def test_the_id_of_a_run_is_read_as_its_message_is(
    completion_id: int, name: str, place: int, byte: int
) -> None:
    whole = _run(completion_id, name)
    payload = whole[HEADER_BYTES:]
    damaged = payload[:place] + bytes((byte,)) + payload[place + 1 :]
    for candidate in (payload, damaged, payload[:place]):
        for _ in range(2):  # the second time its name is known
            run = frame(codes.RUN, candidate)
            try:
                message = decode_run(candidate)
            except WireError:
                with pytest.raises(WireError):
                    read_run_id(run)
                assert read_step(run, completion_value(codes.RUN_COMPLETION, 1, b"v")) == 0
            else:
                assert read_run_id(run) == message.result_completion_id


@given(IDS, IDS, NAMES, st.sampled_from((b"", b"1", b"v" * 125, b"v" * 126, b"v" * 70_000)))
def test_a_step_is_a_run_and_its_own_value(
    completion_id: int, other_id: int, name: str, value: bytes
) -> None:
    run = _run(completion_id, name)
    stored = completion_value(codes.RUN_COMPLETION, other_id, value)
    read_run_id(run)
    found = read_step(run, stored)
    assert found in (0, completion_id if completion_id == other_id else 0)
    if 0 < completion_id == other_id < 0x80 and 0 < len(name.encode()) < 100 and value:
        assert found == completion_id
    if other_id:
        assert read_run_completion(stored) == (other_id, False)


def test_a_failure_is_no_step() -> None:
    run = _run(5, "charge")
    read_run_id(run)
    failed = completion_failure(codes.RUN_COMPLETION, 5, WireFailure(500, "no"))
    assert read_run_completion(failed) == (5, True) and read_step(run, failed) == 0
    other_kind = completion_value(codes.CALL_COMPLETION, 5, b"v")
    assert read_step(run, other_kind) == 0
    assert read_step(other_kind, run) == 0
    assert read_step(frame(codes.RUN, run[HEADER_BYTES:], 1), other_kind) == 0


@pytest.mark.parametrize("damaged", [b"", b"\x08", b"\x08\x05", b"\x2a\x02\x0a\x00"])
def test_what_is_no_result_is_refused(damaged: bytes) -> None:
    with pytest.raises(WireError):
        read_run_completion(frame(codes.RUN_COMPLETION, damaged))
