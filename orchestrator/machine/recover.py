"""recover(state) -> actions: all that a new leader owes, from state alone."""

from orchestrator.model.actions import (
    AnyAction,
    ArmRetry,
    DoChore,
    SendOutbox,
    StartAttempt,
)
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INVOKED
from orchestrator.tables.state import State


def recover(state: State, actions: list[AnyAction]) -> None:
    """Attempts, retries, outbox and chores; timers and retention are loaded by their queues."""
    for invocation_id, row in state.invocations.scan():
        if row.status == INVOKED:
            actions.append(_owed(invocation_id, row))
    lanes = state.partition_row.lanes
    actions.extend(SendOutbox(n) for n in sorted(lanes) if lanes[n].trimmed < lanes[n].given)
    actions.extend(DoChore(key) for key, _ in state.chores.scan())


def _owed(invocation_id: bytes, row: InvocationRow) -> AnyAction:
    if row.retry_at_ms:
        return ArmRetry(invocation_id, row.incarnation, row.retry_at_ms)
    return StartAttempt(invocation_id, row.incarnation)
