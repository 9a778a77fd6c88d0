"""Every message by its code: one table to read them, one to write them."""

from collections.abc import Callable
from typing import Any, Final

from perdure.wire import calls, codes, commands, control, promises, start, state
from perdure.wire.errors import WireError
from perdure.wire.frames import HEADER_BYTES, frame
from perdure.wire.notifications import Notification, decode_notification, encode_notification
from perdure.wire.versions import VERSION_MAX

Command = (
    commands.InputCommand
    | commands.OutputCommand
    | state.GetLazyStateCommand
    | state.SetStateCommand
    | state.ClearStateCommand
    | state.ClearAllStateCommand
    | state.GetLazyStateKeysCommand
    | state.GetEagerStateCommand
    | state.GetEagerStateKeysCommand
    | promises.GetPromiseCommand
    | promises.PeekPromiseCommand
    | promises.CompletePromiseCommand
    | commands.SleepCommand
    | calls.CallCommand
    | calls.OneWayCallCommand
    | commands.SendSignalCommand
    | commands.RunCommand
    | calls.AttachInvocationCommand
    | calls.GetInvocationOutputCommand
    | commands.CompleteAwakeableCommand
)
Control = (
    start.Start
    | control.Suspension
    | control.Error
    | control.End
    | control.CommandAck
    | control.ProposeRunCompletion
    | control.AwaitingOn
    | control.ProposeRunCompletionAck
)
Message = Control | Command | Notification

DECODERS: Final[dict[int, Callable[..., Control | Command]]] = {
    codes.START: start.decode_start,
    codes.SUSPENSION: control.decode_suspension,
    codes.ERROR: control.decode_error,
    codes.END: control.decode_end,
    codes.COMMAND_ACK: control.decode_command_ack,
    codes.PROPOSE_RUN_COMPLETION: control.decode_propose_run_completion,
    codes.AWAITING_ON: control.decode_awaiting_on,
    codes.PROPOSE_RUN_COMPLETION_ACK: control.decode_propose_run_completion_ack,
    codes.INPUT: commands.decode_input,
    codes.OUTPUT: commands.decode_output,
    codes.GET_LAZY_STATE: state.decode_get_lazy_state,
    codes.SET_STATE: state.decode_set_state,
    codes.CLEAR_STATE: state.decode_clear_state,
    codes.CLEAR_ALL_STATE: state.decode_clear_all_state,
    codes.GET_LAZY_STATE_KEYS: state.decode_get_lazy_state_keys,
    codes.GET_EAGER_STATE: state.decode_get_eager_state,
    codes.GET_EAGER_STATE_KEYS: state.decode_get_eager_state_keys,
    codes.GET_PROMISE: promises.decode_get_promise,
    codes.PEEK_PROMISE: promises.decode_peek_promise,
    codes.COMPLETE_PROMISE: promises.decode_complete_promise,
    codes.SLEEP: commands.decode_sleep,
    codes.CALL: calls.decode_call,
    codes.ONE_WAY_CALL: calls.decode_one_way_call,
    codes.SEND_SIGNAL: commands.decode_send_signal,
    codes.RUN: commands.decode_run,
    codes.ATTACH_INVOCATION: calls.decode_attach_invocation,
    codes.GET_INVOCATION_OUTPUT: calls.decode_get_invocation_output,
    codes.COMPLETE_AWAKEABLE: commands.decode_complete_awakeable,
}
"""decoder(data, start) by message code; notifications have one decoder of their own."""

ENCODERS: Final[dict[type, tuple[int, Callable[[Any, int], bytes]]]] = {
    start.Start: (codes.START, start.encode_start),
    control.Suspension: (codes.SUSPENSION, control.encode_suspension),
    control.Error: (codes.ERROR, control.encode_error),
    control.End: (codes.END, control.encode_end),
    control.CommandAck: (codes.COMMAND_ACK, control.encode_command_ack),
    control.ProposeRunCompletion: (
        codes.PROPOSE_RUN_COMPLETION,
        control.encode_propose_run_completion,
    ),
    control.AwaitingOn: (codes.AWAITING_ON, control.encode_awaiting_on),
    control.ProposeRunCompletionAck: (
        codes.PROPOSE_RUN_COMPLETION_ACK,
        control.encode_propose_run_completion_ack,
    ),
    commands.InputCommand: (codes.INPUT, commands.encode_input),
    commands.OutputCommand: (codes.OUTPUT, commands.encode_output),
    state.GetLazyStateCommand: (codes.GET_LAZY_STATE, state.encode_get_lazy_state),
    state.SetStateCommand: (codes.SET_STATE, state.encode_set_state),
    state.ClearStateCommand: (codes.CLEAR_STATE, state.encode_clear_state),
    state.ClearAllStateCommand: (codes.CLEAR_ALL_STATE, state.encode_clear_all_state),
    state.GetLazyStateKeysCommand: (codes.GET_LAZY_STATE_KEYS, state.encode_get_lazy_state_keys),
    state.GetEagerStateCommand: (codes.GET_EAGER_STATE, state.encode_get_eager_state),
    state.GetEagerStateKeysCommand: (codes.GET_EAGER_STATE_KEYS, state.encode_get_eager_state_keys),
    promises.GetPromiseCommand: (codes.GET_PROMISE, promises.encode_get_promise),
    promises.PeekPromiseCommand: (codes.PEEK_PROMISE, promises.encode_peek_promise),
    promises.CompletePromiseCommand: (codes.COMPLETE_PROMISE, promises.encode_complete_promise),
    commands.SleepCommand: (codes.SLEEP, commands.encode_sleep),
    calls.CallCommand: (codes.CALL, calls.encode_call),
    calls.OneWayCallCommand: (codes.ONE_WAY_CALL, calls.encode_one_way_call),
    commands.SendSignalCommand: (codes.SEND_SIGNAL, commands.encode_send_signal),
    commands.RunCommand: (codes.RUN, commands.encode_run),
    calls.AttachInvocationCommand: (codes.ATTACH_INVOCATION, calls.encode_attach_invocation),
    calls.GetInvocationOutputCommand: (
        codes.GET_INVOCATION_OUTPUT,
        calls.encode_get_invocation_output,
    ),
    commands.CompleteAwakeableCommand: (
        codes.COMPLETE_AWAKEABLE,
        commands.encode_complete_awakeable,
    ),
}
"""(message code, encoder(message, version)) by message type, but for notifications."""


def decode(code: int, data: bytes, start: int = 0) -> Message:
    """Read the payload of a message of any code; raises WireError and nothing else."""
    decoder = DECODERS.get(code)
    if decoder is not None:
        return decoder(data, start)
    if code not in codes.NOTIFICATION_NAMES:
        raise WireError(f"there is no message {code:#06x}")
    return decode_notification(code, data, start)


def decode_frame(code: int, frame_bytes: bytes) -> Message:
    """Read a whole frame as a FrameReader returns it; spans count from the frame's start."""
    return decode(code, frame_bytes, HEADER_BYTES)


def encode(message: Message, *, version: int = VERSION_MAX, flags: int = 0) -> bytes:
    """Write a message as a frame of a version."""
    if isinstance(message, Notification):
        return frame(message.code, encode_notification(message, version), flags)
    code, encoder = ENCODERS[type(message)]
    return frame(code, encoder(message, version), flags)
