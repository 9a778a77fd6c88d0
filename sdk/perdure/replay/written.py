"""Whole frames of the commands that an attempt makes most, put together in few operations.

They are byte for byte what `perdure.wire.encode` makes of the same command; a test holds that.
"""

from struct import Struct
from typing import Final

from perdure.wire import codes
from perdure.wire.frames import frame
from perdure.wire.proto3 import put_bytes, put_text, put_uint, set_bytes, varint
from perdure.wire.values import set_value

_TARGETS_MAX: Final = 4096
_NAMES_MAX: Final = 4096
_SMALL: Final = 0x80

_run_head: Final = Struct(">HHI2B").pack
_output_head: Final = Struct(">HHI4B").pack
_propose_head: Final = Struct(">HHI4B").pack

_targets: dict[tuple[str, str], bytes] = {}
_names: dict[str, bytes] = {}

END: Final = frame(codes.END, b"")


def name_field(name: str) -> bytes:
    """Field 12, the name of a command; names repeat, so they are kept."""
    field = _names.get(name)
    if field is None:
        if len(_names) >= _NAMES_MAX:
            _names.clear()
        field = _names[name] = put_text(12, name)
    return field


def run_command(completion_id: int, name: str) -> bytes:
    """Frame a Run."""
    field = _names.get(name)
    if field is None:
        field = name_field(name)
    if completion_id < _SMALL:
        return _run_head(codes.RUN, 0, len(field) + 2, 0x58, completion_id) + field
    return frame(codes.RUN, b"\x58" + varint(completion_id) + field)


def output_value(value: bytes) -> bytes:
    """Frame an Output with a value."""
    size = len(value)
    if 0 < size < _SMALL - 2:
        return _output_head(codes.OUTPUT, 0, size + 4, 0x72, size + 2, 0x0A, size) + value
    return frame(codes.OUTPUT, set_value(14, value))


def run_value(completion_id: int, value: bytes, flags: int) -> bytes:
    """Frame a ProposeRunCompletion with a value."""
    size = len(value)
    code = codes.PROPOSE_RUN_COMPLETION
    if completion_id < _SMALL and size < _SMALL:
        return _propose_head(code, flags, size + 4, 0x08, completion_id, 0x72, size) + value
    payload = b"\x08" + varint(completion_id) + set_bytes(14, value)
    return frame(code, payload, flags)


def _target(service: str, handler: str) -> bytes:
    fields = _targets.get((service, handler))
    if fields is None:
        if len(_targets) >= _TARGETS_MAX:
            _targets.clear()
        fields = _targets[service, handler] = put_text(1, service) + put_text(2, handler)
    return fields


def usual_call(service: str, handler: str, parameter: bytes, key: str, id_number: int) -> bytes:
    """Frame a Call without headers and options; its result has the number after `id_number`."""
    payload = _target(service, handler) + put_bytes(3, parameter)
    if key:
        payload += put_text(5, key)
    payload += b"\x50" + varint(id_number) + b"\x58" + varint(id_number + 1)
    return frame(codes.CALL, payload)


def usual_send(
    service: str, handler: str, parameter: bytes, key: str, invoke_time: int, id_number: int
) -> bytes:
    """Frame a OneWayCall without headers and options."""
    payload = _target(service, handler) + put_bytes(3, parameter)
    if invoke_time:
        payload += put_uint(4, invoke_time)
    if key:
        payload += put_text(6, key)
    return frame(codes.ONE_WAY_CALL, payload + b"\x50" + varint(id_number))


def set_state(key: bytes, value: bytes) -> bytes:
    """Frame a SetState."""
    return frame(codes.SET_STATE, put_bytes(1, key) + set_value(3, value))


def eager_state(key: bytes, value: bytes | None) -> bytes:
    """Frame a GetEagerState; None: the key has no value."""
    result = b"\x6a\x00" if value is None else set_value(14, value)
    return frame(codes.GET_EAGER_STATE, put_bytes(1, key) + result)
