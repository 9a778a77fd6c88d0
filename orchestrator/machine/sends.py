"""The built-in service `Kafka`: an invocation that becomes a row of a topic's lane."""

import msgspec

from orchestrator.machine import lanes, letters
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.step import Step
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import ToTopic
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.rows import InvocationRow
from orchestrator.model.topic_records import DeadLetter, Produce
from orchestrator.model.topics import BAD_REQUEST, DEAD_SEND, SEND, ProduceRequest
from orchestrator.model.values import Failure, Outcome

CODE_BAD_REQUEST = 400


def hand_over(step: Step, row: InvocationRow) -> Outcome | None:
    """Add the record to its lane. The outcome; None if it comes when the row is committed."""
    invoke = whole_invoke(step.state, row)
    request = invoke.produce
    assert request is not None
    if request.refusal:
        if not request.awaited:
            _keep_bad(step, invoke, request)
        return Failure(CODE_BAD_REQUEST, request.refusal)
    item = Produce(
        SEND,
        request.partition,
        request.key,
        request.headers,
        request.value,
        step.now_ms,
        invoke.id,
        row.incarnation,
        request.awaited,
    )
    lanes.give(step, ToTopic(request.cluster, request.topic), item)
    return None if request.awaited else send_result(request.topic, None, None)


def _keep_bad(step: Step, invoke: Invoke, request: ProduceRequest) -> None:
    """Keep a bad request that nobody waits for as a dead letter. When the dead letters of sends
    hold much only its size is kept, and when they hold too much nothing: the result of the
    invocation says why."""
    own = step.state.partition_row
    has_room = letters.has_room_for_sends(own)
    if not has_room and own.letter_bytes[letters.OF_SENDS] > 2 * LETTER_BYTES_MAX:
        return
    letter = DeadLetter(
        DEAD_SEND,
        BAD_REQUEST,
        request.refusal,
        step.now_ms,
        None,
        invoke.body if has_room else None,
        len(invoke.body),
        request,
        invoke.id,
        invoke.service,
        invoke.handler,
    )
    letters.keep_letter(step, letter)


def send_result(topic: str, partition: int | None, offset: int | None) -> bytes:
    """The result of a send; after a take-over the place of a record may not be known."""
    return msgspec.json.encode({"topic": topic, "partition": partition, "offset": offset})
