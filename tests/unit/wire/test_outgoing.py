"""Frames a server makes, against the official reader."""

from typing import Any

import pytest

from perdure.wire import (
    InputCommand,
    Notification,
    WireFailure,
    codes,
    command_ack,
    completion_failure,
    completion_invocation_id,
    completion_state_keys,
    completion_value,
    completion_void,
    decode_notification,
    encode_notification,
    input_command,
    run_ack,
    signal_notification,
    start_message,
)
from perdure.wire.commands import decode_input
from tests.unit.wire.official import message_class

FAILURE = WireFailure(418, "teapot", (("a", "b"),))


def official(name: str, frame_bytes: bytes, code: int) -> Any:
    assert frame_bytes[:8] == bytes([code >> 8, code & 255, 0, 0]) + (
        len(frame_bytes) - 8
    ).to_bytes(4, "big")
    return message_class(name).FromString(frame_bytes[8:])


@pytest.mark.parametrize("code", [c for c in codes.NOTIFICATION_NAMES if c < 0xFB00])
def test_completions_read_as_notifications(code: int) -> None:
    cases = [
        (completion_void(code, 7), Notification(code, 7, void=True)),
        (completion_value(code, 700, b""), Notification(code, 700, value=b"")),
        (completion_value(code, 2**32 - 1, b"v"), Notification(code, 2**32 - 1, value=b"v")),
        (completion_failure(code, 7, FAILURE), Notification(code, 7, failure=FAILURE)),
        (
            completion_failure(code, 7, FAILURE, 5),
            Notification(code, 7, failure=WireFailure(418, "teapot")),
        ),
    ]
    for frame_bytes, expected in cases:
        official("NotificationTemplate", frame_bytes, code)
        assert decode_notification(code, frame_bytes, 8) == expected


def test_invocation_id_and_state_keys() -> None:
    named = completion_invocation_id(1, "inv_1x")
    read = official("CallInvocationIdCompletionNotificationMessage", named, 0x800E)
    assert (read.completion_id, read.invocation_id) == (1, "inv_1x")
    keys = completion_state_keys(2, [b"a", b""])
    read = official("GetLazyStateKeysCompletionNotificationMessage", keys, 0x8006)
    assert list(read.state_keys.keys) == [b"a", b""]
    none = completion_state_keys(2, [])
    assert decode_notification(0x8006, none, 8) == Notification(0x8006, 2, state_keys=())


def test_signals_by_number_and_name() -> None:
    code = codes.SIGNAL_NOTIFICATION
    cancel = official("SignalNotificationMessage", signal_notification(1), code)
    assert (cancel.idx, cancel.WhichOneof("result")) == (1, "void")
    for signal in (17, "", "go"):
        for result in ({"value": b""}, {"value": b"x"}, {"failure": FAILURE}):
            frame_bytes = signal_notification(signal, **result)
            official("SignalNotificationMessage", frame_bytes, code)
            expected = Notification(code, signal=signal, **result)
            assert decode_notification(code, frame_bytes, 8) == expected
            assert encode_notification(expected) == frame_bytes[8:]
    old = decode_notification(code, signal_notification(1, failure=FAILURE, version=5), 8)
    assert old.failure == WireFailure(418, "teapot")


def test_acknowledgements() -> None:
    assert official("CommandAckMessage", command_ack(3), 0x0004).command_index == 3
    assert official("ProposeRunCompletionAckMessage", run_ack(300), 0x0007).completion_id == 300


def test_start_by_version() -> None:
    def start(version: int) -> Any:
        frame_bytes = start_message(
            version,
            b"i" * 24,
            "inv_1",
            3,
            state=iter([(b"k", b""), (b"", b"v" * 200)]),
            partial_state=True,
            key="key",
            retry_count=2,
            retry_duration_ms=2**40,
            random_seed=2**64 - 1,
            scope="",
            limit_key="l",
            idempotency_key="i",
        )
        return official("StartMessage", frame_bytes, 0x0000)

    v7, v6, v5 = start(7), start(6), start(5)
    assert (v7.id, v7.debug_id, v7.known_entries, v7.key) == (b"i" * 24, "inv_1", 3, "key")
    assert [(e.key, e.value) for e in v7.state_map] == [(b"k", b""), (b"", b"v" * 200)]
    assert v7.partial_state
    assert v7.retry_count_since_last_stored_entry == 2
    assert v7.duration_since_last_stored_entry == 2**40
    assert (v7.HasField("scope"), v7.limit_key, v7.idempotency_key) == (True, "l", "i")
    assert v6.random_seed == v7.random_seed == 2**64 - 1
    assert not (v6.HasField("scope") or v6.HasField("limit_key") or v6.HasField("idempotency_key"))
    assert v5.random_seed == 0


def test_input_has_a_value_even_if_it_is_empty() -> None:
    headers = (("content-type", "application/json"), ("x", ""))
    frame_bytes = input_command(headers, b"")
    assert official("InputCommandMessage", frame_bytes, 0x0400).HasField("value")
    assert decode_input(frame_bytes, 8) == InputCommand(headers, b"")
