"""Notification frames the machine makes: the bytes an attempt is given and replays later."""

from orchestrator.model.values import Failure, Outcome
from perdure.wire import outgoing
from perdure.wire.values import WireFailure as WireFailure


def completion_frame(code: int, completion_id: int, outcome: Outcome | None) -> bytes:
    """A completion: a value, a failure, or void for None."""
    if outcome is None:
        return outgoing.completion_void(code, completion_id)
    if isinstance(outcome, Failure):
        return outgoing.completion_failure(code, completion_id, _failure(outcome))
    return outgoing.completion_value(code, completion_id, outcome)


def signal_frame(index: int, name: str, value: Outcome | None) -> bytes:
    """A signal by index or, with index 0, by name."""
    who = index or name
    if isinstance(value, Failure):
        return outgoing.signal_notification(who, failure=_failure(value))
    return outgoing.signal_notification(who, value=value)


def _failure(failure: Failure) -> WireFailure:
    return WireFailure(failure.code, failure.message, failure.metadata)
