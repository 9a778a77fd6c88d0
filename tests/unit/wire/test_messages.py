"""Messages against the official protobuf encoder, byte for byte, and against damaged bytes."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from perdure.wire import (
    HEADER_BYTES,
    CallCommand,
    Error,
    Message,
    Notification,
    OutputCommand,
    ProposeRunCompletion,
    Start,
    Suspension,
    WireError,
    WireFailure,
    WireFuture,
    codes,
    decode,
    decode_frame,
    encode,
    read_output,
    read_run_result,
)
from perdure.wire.messages import DECODERS
from perdure.wire.proto3 import put_bytes, scan, varint
from tests.unit.wire.official import message_class, serialize
from tests.unit.wire.strategies import MESSAGES, data, futures, official_name, to_official, u64

every_kind = pytest.mark.parametrize("kind", MESSAGES)
any_message = st.one_of(*MESSAGES.values())


def code_of(frame_bytes: bytes) -> int:
    return int.from_bytes(frame_bytes[:2], "big")


def without_result(kind: str, official: Any) -> bool:
    """Say whether a message lacks what we demand beyond proto3: an id or a result."""
    if kind == "ProposeRunCompletion":
        return official.WhichOneof("result") is None
    if kind not in ("Completion", "Signal"):
        return False
    fields = {field.name for field, _ in official.ListFields()}
    return len(fields) < 2


@every_kind
@settings(max_examples=30)  # of each of some thirty kinds
@given(st.data())
def test_every_message(kind: str, draw: st.DataObject) -> None:
    """One message for all rules: to make it up is most of what they cost."""
    message, dice = draw.draw(MESSAGES[kind]), Random(draw.draw(u64))
    frame_bytes = encode(message)
    is_encoded_as_by_the_official_encoder_and_read_back(message, frame_bytes)
    spans_say_where_the_value_lies(frame_bytes)
    any_order_and_unknown_fields_are_accepted(frame_bytes, dice)
    every_prefix_is_read_as_the_official_reader_does(kind, message, frame_bytes)
    a_known_field_of_another_wire_type_is_refused(message, frame_bytes)
    for _ in range(4):
        damaged_bytes_raise_nothing_but_wire_error(frame_bytes, dice)


def is_encoded_as_by_the_official_encoder_and_read_back(
    message: Message, frame_bytes: bytes
) -> None:
    assert frame_bytes[HEADER_BYTES:] == serialize(to_official(message))
    assert decode_frame(code_of(frame_bytes), frame_bytes) == message
    assert decode(code_of(frame_bytes), frame_bytes[HEADER_BYTES:]) == message


def spans_say_where_the_value_lies(frame_bytes: bytes) -> None:
    message = decode_frame(code_of(frame_bytes), frame_bytes)
    for span_name in ("value_span", "parameter_span"):
        content = getattr(message, span_name.removesuffix("_span"), None)
        if hasattr(message, span_name) and content:
            first, last = getattr(message, span_name)
            assert frame_bytes[first:last] == content


def any_order_and_unknown_fields_are_accepted(frame_bytes: bytes, dice: Random) -> None:
    """Order matters between fields of one number only; a number nobody knows is passed over."""
    payload = frame_bytes[HEADER_BYTES:]
    by_number: dict[int, bytes] = {}
    last = 0
    for tag, _, stop in scan(payload, 0, len(payload)):
        by_number[tag >> 3] = by_number.get(tag >> 3, b"") + payload[last:stop]
        last = stop
    by_number[1000] = varint(1000 << 3 | 2) + varint(3) + b"abc"
    by_number[1001] = varint(1001 << 3) + varint(dice.getrandbits(64))
    by_number[1002] = varint(1002 << 3 | 1) + bytes(8) + varint(1003 << 3 | 5) + bytes(4)
    parts = list(by_number.values())
    dice.shuffle(parts)
    assert decode(code_of(frame_bytes), b"".join(parts)) == decode(code_of(frame_bytes), payload)


def every_prefix_is_read_as_the_official_reader_does(
    kind: str, message: Message, frame_bytes: bytes
) -> None:
    payload, code = frame_bytes[HEADER_BYTES:], code_of(frame_bytes)
    for end in range(len(payload)):
        expected = message_class(official_name(message))()
        try:
            expected.MergeFromString(payload[:end])
        except Exception:
            expected = None
        try:
            found = decode(code, payload[:end])
        except WireError:
            assert expected is None or without_result(kind, expected)
            continue
        assert expected is not None
        # A tree cut off before its first byte is absent; we have no word for that.
        if kind not in ("Suspension", "AwaitingOn"):
            assert serialize(to_official(found)) == serialize(expected)


def a_known_field_of_another_wire_type_is_refused(message: Message, frame_bytes: bytes) -> None:
    code = code_of(frame_bytes)
    for field in message_class(official_name(message)).DESCRIPTOR.fields:
        wrong = varint(field.number << 3 | 5) + bytes(4)
        with pytest.raises(WireError, match=f"field {field.number} has wire type 5"):
            decode(code, frame_bytes[HEADER_BYTES:] + wrong)


def damaged_bytes_raise_nothing_but_wire_error(frame_bytes: bytes, dice: Random) -> None:
    payload = _damage(frame_bytes[HEADER_BYTES:], dice)
    try:
        found = decode(code_of(frame_bytes), payload)
    except WireError:
        return
    # What was accepted can be written and read again.
    again = encode(found)
    assert decode_frame(code_of(again), again) == found


def _damage(payload: bytes, dice: Random) -> bytes:
    out = bytearray(payload)
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(out))
        action = dice.choice(["flip", "insert", "cut", "double"])
        if action == "insert":
            out[at:at] = dice.randbytes(dice.randint(1, 12))
        elif action == "cut":
            del out[at : at + dice.randint(1, 10)]
        elif action == "double":
            out[at:at] = out[at : at + dice.randint(1, 20)]
        elif at < len(out):
            out[at] ^= 1 << dice.randint(0, 7)
    return bytes(out)


SHORT_CUTS = ["Run", "Call", "SetState", "GetEagerState"]


@pytest.mark.parametrize("kind", SHORT_CUTS)
@given(st.data())
def test_short_cuts_find_what_a_walk_finds(kind: str, draw: st.DataObject) -> None:
    """A field nobody knows, put first, leads off the short cut."""
    frame_bytes, dice = encode(draw.draw(MESSAGES[kind])), Random(draw.draw(u64))
    payload, code = frame_bytes[HEADER_BYTES:], code_of(frame_bytes)
    for candidate in (payload, _damage(payload, dice)):
        outcomes: list[Message | None] = []
        for start in (b"", varint(999 << 3) + b"\x00"):
            try:
                outcomes.append(decode(code, start + candidate))
            except WireError:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1]


@given(st.data())
def test_a_run_result_is_read_without_its_message(draw: st.DataObject) -> None:
    message, dice = draw.draw(MESSAGES["ProposeRunCompletion"]), Random(draw.draw(u64))
    payload = encode(message)[HEADER_BYTES:]
    for candidate in (payload, _damage(payload, dice)):
        try:
            message = decode(codes.PROPOSE_RUN_COMPLETION, candidate)
        except WireError:
            with pytest.raises(WireError):
                read_run_result(candidate)
        else:
            assert isinstance(message, ProposeRunCompletion)
            fields = message.result_completion_id, message.value or b"", message.failure
            assert read_run_result(candidate) == fields


@given(st.data())
def test_an_output_is_read_without_its_message(draw: st.DataObject) -> None:
    message, dice = draw.draw(MESSAGES["Output"]), Random(draw.draw(u64))
    payload = encode(message)[HEADER_BYTES:]
    for candidate in (payload, _damage(payload, dice)):
        try:
            message = decode(codes.OUTPUT, candidate)
        except WireError:
            with pytest.raises(WireError):
                read_output(candidate)
        else:
            assert isinstance(message, OutputCommand)
            expected = message.value_span if message.failure is None else message.failure
            assert read_output(candidate) == expected


@given(st.sampled_from([*DECODERS, *codes.NOTIFICATION_NAMES]), st.binary(max_size=60))
def test_random_bytes_raise_nothing_but_wire_error(code: int, payload: bytes) -> None:
    try:
        decode(code, payload)
    except WireError:
        pass


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x5a\x01x", "field 11 has wire type 2"),
        (b"\x58", "truncated"),
        (b"\x58\xff", "truncated"),
        (b"\x62\x05abc", "ends beyond"),
        (b"\x62\x02\xff\xfe", "not UTF-8"),
        (b"\x62\x03\xed\xa0\x80", "not UTF-8"),
        (b"\x58" + b"\xff" * 9 + b"\x02", "64 bits"),
        (b"\x58" + b"\x80" * 10 + b"\x01", "64 bits"),
        (b"\x00\x01", "no field 0"),
        (b"\x80\x80\x80\x80\x80\x01\x01", "no field"),
        (b"\x9b\x06\x9c\x06", "wire type 3"),
        (b"\x9f\x06\x00", "wire type 7"),
        (b"\x99\x06\x00\x00", "truncated"),
    ],
)
def test_malformed_run_says_why(payload: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode(codes.RUN, payload)


def test_a_length_never_reaches_out_of_its_message() -> None:
    """The value announces more bytes than its field holds, though the payload has them."""
    payload = b"\x72\x03\x0a\x05ab" + b"\x62\x03xyz"
    with pytest.raises(WireError):
        decode(codes.OUTPUT, payload)


def test_integers_of_32_bits_are_cut_as_protobuf_does() -> None:
    assert decode(codes.RUN, b"\x58" + varint(2**40 + 7)).result_completion_id == 7  # type: ignore[union-attr]


def test_empty_value_is_not_an_absent_one() -> None:
    assert decode(codes.OUTPUT, b"\x72\x00") == OutputCommand(value=b"")
    assert decode(codes.OUTPUT, b"\x72\x02\x0a\x00") == OutputCommand(value=b"")
    assert decode(codes.OUTPUT, b"") == OutputCommand()
    assert encode(OutputCommand(value=b""))[HEADER_BYTES:] == b"\x72\x00"
    assert decode(codes.GET_LAZY_STATE_COMPLETION, b"\x08\x01\x22\x00") == Notification(
        codes.GET_LAZY_STATE_COMPLETION, 1, void=True
    )


def test_last_branch_of_a_oneof_wins() -> None:
    value, failure = b"\x72\x03\x0a\x01v", b"\x7a\x02\x08\x01"
    assert decode(codes.OUTPUT, value + failure) == OutputCommand(failure=WireFailure(1))
    assert decode(codes.OUTPUT, failure + value) == OutputCommand(value=b"v")


@pytest.mark.parametrize("payload", [b"", b"\x08\x01", b"\x2a\x00", b"\x08\x00\x2a\x00"])
def test_completion_needs_an_id_and_a_result(payload: bytes) -> None:
    with pytest.raises(WireError, match=r"result|what it is for"):
        decode(codes.RUN_COMPLETION, payload)


def test_unknown_message_is_refused() -> None:
    with pytest.raises(WireError, match="0x040f"):
        decode(0x040F, b"")


def test_v5_hides_metadata_and_the_newer_fields_of_start() -> None:
    failure = WireFailure(500, "no", (("a", "b"),))
    for message in (OutputCommand(failure=failure), ProposeRunCompletion(1, failure=failure)):
        old = decode_frame_of(encode(message, version=5))
        assert old.failure == WireFailure(500, "no")  # type: ignore[union-attr]
        assert decode_frame_of(encode(message, version=6)) == message
    start = Start(
        b"i", "d", 1, random_seed=9, scope="s", limit_key="l", idempotency_key="k", key="key"
    )
    v6 = structs.replace(start, scope=None, limit_key=None, idempotency_key=None)
    assert decode_frame_of(encode(start, version=7)) == start
    assert decode_frame_of(encode(start, version=6)) == v6
    assert decode_frame_of(encode(start, version=5)) == structs.replace(v6, random_seed=0)
    pause = Error(500, behavior=codes.BEHAVIOR_PAUSE)
    assert decode_frame_of(encode(pause, version=6)) == Error(500)


def decode_frame_of(frame_bytes: bytes) -> Message:
    return decode_frame(code_of(frame_bytes), frame_bytes)


@given(futures)
def test_v6_suspension_is_flat_and_reads_as_a_flat_future(future: WireFuture) -> None:
    frame_bytes = encode(Suspension(future), version=6)
    official = message_class("v6.SuspensionMessage").FromString(frame_bytes[HEADER_BYTES:])
    assert serialize(official) == frame_bytes[HEADER_BYTES:]
    flat = future.flat()
    assert list(official.waiting_completions) == flat.completions
    assert list(official.waiting_signals) == flat.signals
    assert list(official.waiting_named_signals) == flat.named_signals
    assert decode_frame_of(frame_bytes) == Suspension(flat)


def test_lists_are_read_packed_or_not() -> None:
    flat = WireFuture(completions=[1, 300, 2], signals=[1])
    unpacked = b"\x08\x01" + b"\x08" + varint(300) + b"\x0a\x01\x02" + b"\x10\x01"
    assert decode(codes.SUSPENSION, unpacked) == Suspension(flat)
    tree = b"\x22" + varint(len(unpacked)) + unpacked
    assert decode(codes.SUSPENSION, tree) == Suspension(flat)


@given(data)
def test_large_payload_keeps_its_span(content: bytes) -> None:
    big = content * 5000 + b"!"
    call = decode_frame_of(encode(CallCommand("S", "h", big, 1, 2)))
    assert isinstance(call, CallCommand)
    assert call.parameter == big
    assert call.parameter_span[1] - call.parameter_span[0] == len(big)


def test_half_a_surrogate_cannot_be_written() -> None:
    with pytest.raises(WireError, match="surrogate"):
        encode(OutputCommand(failure=WireFailure(500, "\ud800")))


def test_numbers_out_of_range_cannot_be_written() -> None:
    with pytest.raises(WireError, match="64 bits"):
        encode(Error(-1))
    with pytest.raises(WireError, match="64 bits"):
        encode(Error(500, next_retry_delay=2**64))


def test_put_bytes_of_nothing_is_nothing() -> None:
    assert put_bytes(1, b"") == b""
