"""Numbers of the service protocol: message codes, flags, signals, error codes, and their names."""

from typing import Final

# Control messages: 0x0000 to 0x03FF.
START: Final = 0x0000
SUSPENSION: Final = 0x0001
ERROR: Final = 0x0002
END: Final = 0x0003
COMMAND_ACK: Final = 0x0004
PROPOSE_RUN_COMPLETION: Final = 0x0005
AWAITING_ON: Final = 0x0006
PROPOSE_RUN_COMPLETION_ACK: Final = 0x0007

# Commands: 0x0400 to 0x7FFF. 0x040F was never used.
INPUT: Final = 0x0400
OUTPUT: Final = 0x0401
GET_LAZY_STATE: Final = 0x0402
SET_STATE: Final = 0x0403
CLEAR_STATE: Final = 0x0404
CLEAR_ALL_STATE: Final = 0x0405
GET_LAZY_STATE_KEYS: Final = 0x0406
GET_EAGER_STATE: Final = 0x0407
GET_EAGER_STATE_KEYS: Final = 0x0408
GET_PROMISE: Final = 0x0409
PEEK_PROMISE: Final = 0x040A
COMPLETE_PROMISE: Final = 0x040B
SLEEP: Final = 0x040C
CALL: Final = 0x040D
ONE_WAY_CALL: Final = 0x040E
SEND_SIGNAL: Final = 0x0410
RUN: Final = 0x0411
ATTACH_INVOCATION: Final = 0x0412
GET_INVOCATION_OUTPUT: Final = 0x0413
COMPLETE_AWAKEABLE: Final = 0x0414

# Notifications: 0x8000 to 0xFBFF.
GET_LAZY_STATE_COMPLETION: Final = 0x8002
GET_LAZY_STATE_KEYS_COMPLETION: Final = 0x8006
GET_PROMISE_COMPLETION: Final = 0x8009
PEEK_PROMISE_COMPLETION: Final = 0x800A
COMPLETE_PROMISE_COMPLETION: Final = 0x800B
SLEEP_COMPLETION: Final = 0x800C
CALL_COMPLETION: Final = 0x800D
CALL_INVOCATION_ID_COMPLETION: Final = 0x800E
RUN_COMPLETION: Final = 0x8011
ATTACH_INVOCATION_COMPLETION: Final = 0x8012
GET_INVOCATION_OUTPUT_COMPLETION: Final = 0x8013
SIGNAL_NOTIFICATION: Final = 0xFBFF

REQUESTED_ACK: Final = 0x8000
"""Flag of a frame whose sender wants an acknowledgement once it is durable."""

CANCEL_SIGNAL: Final = 1
"""The one built-in signal; 2 to 15 are reserved."""
USER_SIGNAL_MIN: Final = 17
"""SDKs number their awakeables from here."""

# How a future combines its children.
COMBINATOR_UNKNOWN: Final = 0
FIRST_COMPLETED: Final = 1
ALL_COMPLETED: Final = 2
FIRST_SUCCEEDED_OR_ALL_FAILED: Final = 3
ALL_SUCCEEDED_OR_FIRST_FAILED: Final = 4

# What an Error message asks for.
BEHAVIOR_RETRY: Final = 0
BEHAVIOR_PAUSE: Final = 1
BEHAVIOR_FAIL: Final = 2

# Codes of failures and Error messages; apart from these, any HTTP status.
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
CANCELLED: Final = 409
CONFLICT: Final = 409
GONE: Final = 410
UNSUPPORTED_CONTENT_TYPE: Final = 415
NOT_READY: Final = 470
INTERNAL: Final = 500
JOURNAL_MISMATCH: Final = 570
PROTOCOL_VIOLATION: Final = 571
AWAITING_TWO_RESULTS: Final = 572
UNSUPPORTED_FEATURE: Final = 573
CLOSED: Final = 598
SUSPENDED: Final = 599

COMMAND_NAMES: Final = {
    INPUT: "Input",
    OUTPUT: "Output",
    GET_LAZY_STATE: "GetLazyState",
    SET_STATE: "SetState",
    CLEAR_STATE: "ClearState",
    CLEAR_ALL_STATE: "ClearAllState",
    GET_LAZY_STATE_KEYS: "GetLazyStateKeys",
    GET_EAGER_STATE: "GetEagerState",
    GET_EAGER_STATE_KEYS: "GetEagerStateKeys",
    GET_PROMISE: "GetPromise",
    PEEK_PROMISE: "PeekPromise",
    COMPLETE_PROMISE: "CompletePromise",
    SLEEP: "Sleep",
    CALL: "Call",
    ONE_WAY_CALL: "OneWayCall",
    SEND_SIGNAL: "SendSignal",
    RUN: "Run",
    ATTACH_INVOCATION: "AttachInvocation",
    GET_INVOCATION_OUTPUT: "GetInvocationOutput",
    COMPLETE_AWAKEABLE: "CompleteAwakeable",
}
NOTIFICATION_NAMES: Final = {
    GET_LAZY_STATE_COMPLETION: "GetLazyState",
    GET_LAZY_STATE_KEYS_COMPLETION: "GetLazyStateKeys",
    GET_PROMISE_COMPLETION: "GetPromise",
    PEEK_PROMISE_COMPLETION: "PeekPromise",
    COMPLETE_PROMISE_COMPLETION: "CompletePromise",
    SLEEP_COMPLETION: "Sleep",
    CALL_COMPLETION: "Call",
    CALL_INVOCATION_ID_COMPLETION: "CallInvocationId",
    RUN_COMPLETION: "Run",
    ATTACH_INVOCATION_COMPLETION: "AttachInvocation",
    GET_INVOCATION_OUTPUT_COMPLETION: "GetInvocationOutput",
    SIGNAL_NOTIFICATION: "Signal",
}
CONTROL_NAMES: Final = {
    START: "Start",
    SUSPENSION: "Suspension",
    ERROR: "Error",
    END: "End",
    COMMAND_ACK: "CommandAck",
    PROPOSE_RUN_COMPLETION: "ProposeRunCompletion",
    AWAITING_ON: "AwaitingOn",
    PROPOSE_RUN_COMPLETION_ACK: "ProposeRunCompletionAck",
}
ENTRY_NAMES: Final = {
    **{code: f"Command: {name}" for code, name in COMMAND_NAMES.items()},
    **{code: f"Notification: {name}" for code, name in NOTIFICATION_NAMES.items()},
}
"""What the journal table shows as the type of an entry."""

COMPLETION_OF: Final = {
    code & 0x00FF | 0x0400: code for code in NOTIFICATION_NAMES if code < 0xFB00
}
"""The notification that brings the result of a command (of OneWayCall: the invocation id)."""


def is_command(code: int) -> bool:
    """Say whether a message is a command, that is, an entry a service makes."""
    return 0x0400 <= code < 0x8000


def is_notification(code: int) -> bool:
    """Say whether a message is a notification: a completion or a signal."""
    return 0x8000 <= code <= SIGNAL_NOTIFICATION


def message_name(code: int) -> str:
    """Name a message for people: `Sleep`, `Notification: Run`, or its number if it has none."""
    name = CONTROL_NAMES.get(code) or COMMAND_NAMES.get(code) or ENTRY_NAMES.get(code)
    return name or f"{code:#06x}"
