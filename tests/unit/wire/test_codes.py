"""Numbers and names of the protocol, and its versions."""

import pytest

from perdure import wire
from perdure.wire import codes, is_command, is_notification, media_type, parse_media_type, pick
from perdure.wire.messages import DECODERS, ENCODERS


def test_every_message_has_a_name_a_reader_and_a_writer() -> None:
    named = {**codes.CONTROL_NAMES, **codes.COMMAND_NAMES}
    assert set(DECODERS) == set(named)
    classes = {code: cls.__name__.removesuffix("Command") for cls, (code, _) in ENCODERS.items()}
    assert classes == named


def test_names_as_the_journal_table_shows_them() -> None:
    assert codes.ENTRY_NAMES[codes.INPUT] == "Command: Input"
    assert codes.ENTRY_NAMES[codes.SLEEP_COMPLETION] == "Notification: Sleep"
    assert codes.ENTRY_NAMES[0x800E] == "Notification: CallInvocationId"
    assert codes.ENTRY_NAMES[0xFBFF] == "Notification: Signal"
    assert codes.message_name(codes.END) == "End"
    assert codes.message_name(codes.RUN) == "Run"
    assert codes.message_name(codes.RUN_COMPLETION) == "Notification: Run"
    assert codes.message_name(0xFC01) == "0xfc01"


def test_ranges_of_codes() -> None:
    for code in codes.COMMAND_NAMES:
        assert is_command(code) and not is_notification(code)
    for code in codes.NOTIFICATION_NAMES:
        assert is_notification(code) and not is_command(code)
    for code in (*codes.CONTROL_NAMES, 0xFC00):
        assert not is_command(code) and not is_notification(code)


def test_completion_of_a_command() -> None:
    assert codes.COMPLETION_OF[codes.CALL] == codes.CALL_COMPLETION
    assert codes.COMPLETION_OF[codes.ONE_WAY_CALL] == codes.CALL_INVOCATION_ID_COMPLETION
    assert set(codes.COMPLETION_OF) <= set(codes.COMMAND_NAMES)
    assert codes.OUTPUT not in codes.COMPLETION_OF


@pytest.mark.parametrize("version", [1, 5, 6, 7, 12])
def test_media_types_round_trip(version: int) -> None:
    assert media_type(version) == f"application/vnd.restate.invocation.v{version}"
    assert parse_media_type(media_type(version)) == version


@pytest.mark.parametrize(
    "text",
    ["", "application/json", "application/vnd.restate.invocation.v", media_type(5) + ";a=b"]
    + [f"application/vnd.restate.invocation.v{digits}" for digits in ("-5", "٥", "5.0", "9" * 99)],
)
def test_other_content_types_name_no_version(text: str) -> None:
    assert parse_media_type(text) is None


def test_pick_is_the_highest_shared_version() -> None:
    assert pick(5, 7) == 7
    assert pick(5, 9) == 7
    assert pick(1, 6) == 6
    assert pick(5, 7, own_max=6) == 6
    assert pick(1, 4) is None
    assert pick(8, 9) is None
    assert [wire.is_supported(v) for v in (4, 5, 7, 8)] == [False, True, True, False]


def test_public_names_exist() -> None:
    assert len(set(wire.__all__)) == len(wire.__all__)
    assert all(hasattr(wire, name) for name in wire.__all__)
