"""Values shared by records, rows and actions: kinds, statuses, failures, callers, futures."""

import msgspec

KAFKA = "Kafka"  # the built-in service that sends records to topics; it has no deployment
RESTATE_VERSION = "1.7.12"  # whose APIs we speak, as its clients look for

# Kinds of target. Kept in records and rows: never reuse a number.
SERVICE = 0
OBJECT_EXCLUSIVE = 1
OBJECT_SHARED = 2
WORKFLOW_RUN = 3
WORKFLOW_SHARED = 4

WRITES_STATE = (OBJECT_EXCLUSIVE, WORKFLOW_RUN)
WORKFLOW_KINDS = (WORKFLOW_RUN, WORKFLOW_SHARED)

# Status of a live invocation. Kept in rows: never reuse a number.
SCHEDULED = 0
INBOXED = 1
INVOKED = 2
SUSPENDED = 3
PAUSED = 4
LIVE_STATUSES = 5  # how many there are
# Before the first and after the last one: never in a row that is kept.
NEW = -1
COMPLETED = 5
# As people see them.
STATUS_NAMES = {
    NEW: "new",
    SCHEDULED: "scheduled",
    INBOXED: "inboxed",
    INVOKED: "invoked",
    SUSPENDED: "suspended",
    PAUSED: "paused",
    COMPLETED: "completed",
}

# Who asked for an invocation.
BY_INGRESS = 0
BY_SERVICE = 1
BY_SUBSCRIPTION = 2
BY_RESTART = 3

# How a completion or signal turned out, as the resolution of futures needs it.
SUCCESS = 1
FAILURE = 2

# What follows a failed attempt.
THEN_RETRY = 0
THEN_PAUSE = 1
THEN_KILL = 2  # complete with the failure

CODE_NOT_FOUND = 404
CODE_CONFLICT = 409
CODE_GONE = 410
CODE_TOO_MANY = 429
CODE_INTERNAL = 500


class Failure(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A terminal outcome the user sees: code (u16), message and metadata pairs."""

    code: int
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


Outcome = bytes | Failure


class OutputRules(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True
):
    """The content type of a result, and whether an empty one carries it too."""

    content_type: str = "application/json"
    set_content_type_if_empty: bool = False


USUAL_OUTPUT = OutputRules()


class Caller(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """Where a result goes: a completion of another invocation's journal, that incarnation only."""

    id: bytes
    incarnation: int
    completion_id: int
    code: int = 0x800D  # notification code of the protocol: a call's result


class Future(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a suspended attempt waits for. Combinators are those of the protocol (0 to 4)."""

    completions: tuple[int, ...] = ()
    signals: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    nested: tuple["Future", ...] = ()
    combinator: int = 0


class Attempted(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """Why an attempt failed, as shown to people: code, text, the catalogue's code, the command."""

    code: int
    message: str
    stacktrace: str = ""
    restate_code: str = ""
    command_index: int = -1
    command_name: str = ""
    command_type: int = -1
    at_ms: int = 0
