"""The feed of life-cycle events: CloudEvents in structured JSON, in order per invocation.

While the feed is off it costs a record one look at the switch.
"""

from typing import Any

import msgspec

from orchestrator.machine.endings import reason_of_end
from orchestrator.machine.feeds import give_to_feed
from orchestrator.machine.step import Step
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.rows import InvocationRow
from orchestrator.model.topic_records import Produce
from orchestrator.model.topics import EVENT, KILLED, FeedTopic
from orchestrator.model.utc import utc_text
from orchestrator.model.values import INVOKED, Attempted, Failure, Outcome
from perdure.wire.ids import invocation_id_to_str

TYPE_PREFIX = "dev.perdure.invocation."
CONTENT_TYPE = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


def tell(step: Step, row: InvocationRow, what: str, has_ended: bool) -> None:
    """One event; `has_ended` if the attempt it is about is the one before the next."""
    feed = step.state.partition_row.events
    if feed is not None and not row.invoke.quiet:
        error = row.last_failure if has_ended else None
        _give(step, feed, row, what, row.attempt - has_ended, error)


def tell_end(step: Step, row: InvocationRow, outcome: Outcome, killed: bool) -> None:
    """The last event. Call it before the signals of the row are dropped."""
    feed = step.state.partition_row.events
    if feed is None or row.invoke.quiet:
        return
    failure = outcome if isinstance(outcome, Failure) else None
    what = "completed" if failure is None else reason_of_end(step, row, failure, killed)
    is_under_way = what == KILLED and row.status == INVOKED and not row.retry_at_ms
    _give(step, feed, row, what, row.attempt - (not is_under_way), failure)


def _give(
    step: Step,
    feed: FeedTopic,
    row: InvocationRow,
    what: str,
    attempt: int,
    error: Attempted | Failure | None,
) -> None:
    invoke = row.invoke
    known_as = invocation_id_to_str(invoke.id)
    parts = (invoke.service, invoke.key, invoke.handler) if invoke.key else (
        invoke.service, invoke.handler,
    )  # fmt: skip
    target = "/".join(parts)
    data: dict[str, Any] = {"id": known_as, "target": target}
    if row.deployment:
        data["deployment"] = row.deployment
    data["attempt"] = max(1, attempt)
    if error is not None:
        data["error"] = {"code": error.code, "message": error.message}
    event = {
        "specversion": "1.0",
        "id": _id_here(step),
        "source": feed.source,
        "type": TYPE_PREFIX + what,
        "subject": target,
        "time": utc_text(step.now_ms),
        "datacontenttype": "application/json",
        "data": data,
    }
    value = msgspec.json.encode(event)
    item = Produce(
        EVENT, None, known_as.encode(), CONTENT_TYPE, value, step.now_ms, invoke.id, row.incarnation
    )
    give_to_feed(step, feed, item)


def _id_here(step: Step) -> str:
    """An id made of the position, by which a reader can drop repeated events."""
    index = step.position & ((1 << POSITION_INDEX_BITS) - 1)
    number = step.sub
    step.sub += 1
    return f"{step.state.partition}-{step.offset}-{index}-{number}"
