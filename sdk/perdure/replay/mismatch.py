"""Compares a command of the journal with the one that the code asks for, and shows both."""

from typing import Any, Final

from perdure.replay.errors import Mismatch, ProtocolViolation
from perdure.wire import codes
from perdure.wire.codes import COMMAND_NAMES, message_name
from perdure.wire.errors import WireError
from perdure.wire.frames import HEADER_BYTES, code_of
from perdure.wire.messages import DECODERS
from perdure.wire.spanned import told_fields

_SHOWN_CHARS: Final = 80
# What may differ from attempt to attempt: absolute times, made from the clock.
_FREE: Final = {codes.SLEEP: ("wake_up_time",), codes.ONE_WAY_CALL: ("invoke_time",)}


def decode_command(frame: bytes) -> Any:
    """Read the command in a whole frame; raises ProtocolViolation."""
    decoder = DECODERS.get(code_of(frame))
    if decoder is None:
        raise ProtocolViolation(f"{message_name(code_of(frame))} is no command")
    try:
        return decoder(frame, HEADER_BYTES)
    except WireError as error:
        name = message_name(code_of(frame))
        raise ProtocolViolation(f"the {name} of the journal: {error}") from None


def check(index: int, recorded: bytes, asked: bytes) -> None:
    """Raise Mismatch unless two commands, as frames of unequal bytes, ask for the same."""
    code = code_of(recorded)
    if code != code_of(asked):
        raise Mismatch(
            f"the journal does not fit the code: command {index} of the journal is"
            f" {describe(recorded)}, the code asks for {describe(asked)}",
            index,
        )
    old, new = decode_command(recorded), decode_command(asked)
    free = _FREE.get(code, ())
    differing = [
        f"{name} is {_show(was)} in the journal and {_show(now)} in the code"
        for name in told_fields(old)
        if name not in free and (was := getattr(old, name)) != (now := getattr(new, name))
    ]
    if differing:
        raise Mismatch(
            f"the journal does not fit the code: command {index}, {describe(recorded)}: "
            + "; ".join(differing),
            index,
        )


def describe(frame: bytes) -> str:
    """Name a command for people: what it is, and what it is called or is about."""
    code = code_of(frame)
    kind = COMMAND_NAMES.get(code, message_name(code))
    try:
        command = decode_command(frame)
    except ProtocolViolation:
        return kind
    if code in (codes.CALL, codes.ONE_WAY_CALL):
        return f"{kind} {command.service_name}/{command.handler_name}"
    about = getattr(command, "name", "") or getattr(command, "key", "")
    if isinstance(about, bytes):
        about = about.decode(errors="replace")
    return f"{kind} {about!r}" if about else kind


def name_of(frame: bytes) -> str:
    """The name that the user gave to a command; empty if none."""
    try:
        command = decode_command(frame)
    except ProtocolViolation:
        return ""
    return str(getattr(command, "name", "") or getattr(command, "entry_name", ""))


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
