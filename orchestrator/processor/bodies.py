"""How large the bodies of a record are: what counts where records wait for the log."""

from collections.abc import Callable
from typing import Any

from orchestrator.machine.letters import letter_bytes
from orchestrator.model.invoke import Invoke, invoke_bytes
from orchestrator.model.records import (
    AnyRecord,
    Completion,
    Item,
    Journal,
    PatchState,
    Signal,
    Transfer,
)
from orchestrator.model.topic_records import DeadLetter, Intake, RedriveDeadLetter
from orchestrator.model.values import Outcome


def body_bytes(record: AnyRecord | Item) -> int:
    """Of what may be large in a record."""
    measure = _BODY_BYTES.get(type(record))
    return 0 if measure is None else measure(record)


def _outcome_bytes(outcome: Outcome | None) -> int:
    return len(outcome) if isinstance(outcome, bytes) else 0


_BODY_BYTES: dict[type, Callable[[Any], int]] = {
    Journal: lambda record: len(record.frames),
    Invoke: invoke_bytes,
    Signal: lambda record: _outcome_bytes(record.value),
    Completion: lambda record: _outcome_bytes(record.outcome),
    PatchState: lambda record: sum(len(value) for _, value in record.state),
    Transfer: lambda record: sum(map(body_bytes, record.items)),
    Intake: lambda record: sum(map(body_bytes, record.items)),
    DeadLetter: letter_bytes,
    RedriveDeadLetter: lambda record: body_bytes(record.invoke),
}
