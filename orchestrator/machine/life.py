"""The life of an invocation: admitted, scheduled, begun, completed, purged."""

from msgspec.structs import replace

from orchestrator.codec.keys import object_key, retention_key, timer_key
from orchestrator.machine import event_feed, inputs, objects, origins, results, sends
from orchestrator.machine.arming import arm
from orchestrator.machine.chores import add_chore
from orchestrator.machine.details import COMPLETIONS, SIGNALS, move_out
from orchestrator.machine.ended import clear_up
from orchestrator.machine.journal import store_entries
from orchestrator.machine.names import move_names_out
from orchestrator.machine.routing import respond
from orchestrator.machine.status import BEGIN, COMPLETE, SCHEDULE, SUSPEND, change_status, go_on
from orchestrator.machine.step import Step
from orchestrator.machine.waiting import add_waiter, answer_all, whom_of
from orchestrator.model.actions import (
    Complete,
    StopAttempt,
)
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke, Prefix
from orchestrator.model.limits import (
    DETAIL_INLINE_COUNT,
    POSITION_INDEX_BITS,
    REPLY_RETENTION_MS,
    REQUEST_DEDUPE_MS,
    RETENTION_COARSE_FROM_MS,
    RETENTION_COARSE_MS,
    RETENTION_FINE_MS,
)
from orchestrator.model.rows import (
    CHORE_DROP_CHUNKS,
    TIMER_START,
    ChoreRow,
    CompletedRow,
    InvocationRow,
    RetentionRow,
)
from orchestrator.model.values import (
    INBOXED,
    NEW,
    OBJECT_EXCLUSIVE,
    SCHEDULED,
    WORKFLOW_RUN,
    Caller,
    Outcome,
    OutputRules,
)

HOLDS_LOCK = (OBJECT_EXCLUSIVE, WORKFLOW_RUN)


def new_row(step: Step, invoke: Invoke) -> InvocationRow:
    """A live row for an id that is free."""
    row = InvocationRow(invoke, step.position, NEW, step.now_ms)
    row.trying_since_ms = step.now_ms
    row.deployment = invoke.deployment
    step.state.invocations.add(invoke.id, row)
    if invoke.prefix is not None:
        _copy_prefix(step, row, invoke.prefix)
    inputs.set_apart(step, row)
    return row


def _copy_prefix(step: Step, row: InvocationRow, prefix: Prefix) -> None:
    """The journal it starts with becomes its own: kept once, and out of the row if it is large."""
    row.invoke = replace(row.invoke, prefix=None)
    store_entries(step, row, prefix.frames, prefix.entries - row.entries)
    row.commands = prefix.commands
    row.completions = dict(prefix.completions) or None
    row.signals = dict(prefix.signals) or None
    row.names = dict(prefix.names) or None
    move_names_out(step, row)
    for detail in (COMPLETIONS, SIGNALS):
        inline = detail.inline(row)
        if inline is not None and len(inline) > DETAIL_INLINE_COUNT:
            move_out(step, row, detail)
    row.deployment = prefix.deployment
    row.protocol = prefix.protocol


def answer_if_over(step: Step, invocation_id: bytes) -> Answer:
    """The answer to an operation on an invocation that is not live."""
    done = find_completed(step, invocation_id)
    return Answer.NOT_FOUND if done is None else Answer.ALREADY_COMPLETED


def find_completed(step: Step, invocation_id: bytes) -> CompletedRow | None:
    """A completed one that is still retained: what has expired is not there for anyone."""
    done = step.state.completed.get(invocation_id)
    return None if done is None or done.expires_at_ms <= step.now_ms else done


def schedule(step: Step, row: InvocationRow) -> None:
    """Wait for the start time of a delayed invocation."""
    change_status(step, row, SCHEDULE)
    row.scheduled_at_ms = step.now_ms
    if row.invoke.origin is not None:
        origins.free_slot(step, row)
    arm(step, row, TIMER_START, 0, row.invoke.start_at_ms)


def enter(step: Step, row: InvocationRow) -> None:
    """Begin at once, or wait for the lock of the key."""
    if row.invoke.produce is not None:
        _send(step, row)
    elif row.invoke.kind in HOLDS_LOCK:
        objects.lock_or_queue(step, row)
    else:
        go_on(step, row, BEGIN)


def _send(step: Step, row: InvocationRow) -> None:
    """An invocation of `Kafka/send` needs no attempt: it completes, or waits until its record is
    committed."""
    change_status(step, row, BEGIN)
    row.running_at_ms = step.now_ms
    outcome = sends.hand_over(step, row)
    if outcome is None:
        change_status(step, row, SUSPEND)
    else:
        complete(step, row, outcome)


def complete(
    step: Step,
    row: InvocationRow,
    outcome: Outcome,
    output: OutputRules | None = None,
    kill: bool = False,
) -> None:
    """Give the result to everyone who waits, keep it as long as asked, free the lock. `output` is
    the content type of the result; `kill` ends what it started, too."""
    state, was = step.state, row.status
    if row.invoke.origin is not None:
        origins.end(step, row, outcome, kill)
    if state.partition_row.events is not None:
        event_feed.tell_end(step, row, outcome, kill)
    invoke = row.invoke
    if was == SCHEDULED:
        state.timers.delete(timer_key(invoke.start_at_ms, invoke.id, 0))
    if row.sleeps or row.awaits or row.paged or kill:
        clear_up(step, row, kill)
    change_status(step, row, COMPLETE)
    state.invocations.delete(invoke.id)
    done = _completed_row(step, row, outcome, output)
    if invoke.origin is not None and _is_forgotten(invoke):
        inputs.drop_input(step, done)
        drop_chunks(step, done)
    else:
        results.set_result_apart(step, done)
        state.listings.list_later(done)
        state.completed.put(invoke.id, done)
        if not invoke.journal_retention_ms:
            drop_journal(step, done)
        _retain(step, done)
    step.actions.append(Complete(invoke.id, row.incarnation, outcome, done.expires_at_ms, output))
    if invoke.kind == WORKFLOW_RUN:
        objects.expire_at(step, invoke.service, invoke.key, done.expires_at_ms)
    if was != SCHEDULED:
        if was == INBOXED:
            objects.leave_queue(step, row)
        elif invoke.kind in HOLDS_LOCK:
            objects.release(step, invoke.service, invoke.key)
    if invoke.caller is not None:
        respond(step, invoke.caller, outcome)
    if row.waiters or row.more_waiters:
        answer_all(step, row, whom_of(row), outcome)


def _is_forgotten(invoke: Invoke) -> bool:
    """Whether nothing is kept of it: a record of a topic is recognised by the position of its
    source, not by its id."""
    if invoke.completion_retention_ms:
        return False
    return invoke.idempotency_key is None and invoke.kind != WORKFLOW_RUN


def end_by_force(step: Step, row: InvocationRow, outcome: Outcome) -> None:
    """Kill: stop the attempt, complete, and kill the children by follow-up records."""
    step.actions.append(StopAttempt(row.invoke.id, row.incarnation, True))
    complete(step, row, outcome, kill=True)


def purge(step: Step, done: CompletedRow) -> None:
    """Forget a completed invocation; with a workflow's run go its state and promises."""
    state, invoke = step.state, done.invoke
    state.completed.delete(invoke.id)
    inputs.drop_input(step, done)
    results.drop_result(step, done)
    drop_chunks(step, done)
    if invoke.kind != WORKFLOW_RUN:
        return
    raw = object_key(invoke.service, invoke.key)
    owner = state.objects.get(raw)
    if owner is not None and owner.expires_at_ms and not owner.lock:
        objects.forget_object(step, owner)


def drop_chunks(step: Step, done: CompletedRow) -> None:
    """Forget the chunk rows of a journal."""
    if done.chunk_count:
        chore = ChoreRow(CHORE_DROP_CHUNKS, id=done.invoke.id, incarnation=done.incarnation)
        chore.generation = done.chunk_count
        add_chore(step, chore)
        done.chunk_count = 0


def drop_journal(step: Step, done: CompletedRow) -> None:
    """Keep the result, forget how it came about: the input too, which is entry 0."""
    results.leave_journal(step, done)
    drop_chunks(step, done)
    inputs.drop_input(step, done)
    done.tail = []
    done.entries = done.commands = 0
    step.state.completed.touch(done.invoke.id)


def attach_waiter(step: Step, row: InvocationRow, caller: Caller) -> None:
    """One more who waits for the result."""
    if caller != row.invoke.caller:
        add_waiter(step, row, whom_of(row), caller)
        step.state.invocations.touch(row.invoke.id)


def _completed_row(
    step: Step, row: InvocationRow, outcome: Outcome, output: OutputRules | None
) -> CompletedRow:
    invoke, now = row.invoke, step.now_ms
    return CompletedRow(
        invoke=invoke,
        incarnation=row.incarnation,
        input_bytes=row.input_bytes,
        outcome=outcome,
        completed_at_ms=now,
        expires_at_ms=now + invoke.completion_retention_ms,
        journal_expires_at_ms=now + invoke.journal_retention_ms,
        entries=row.entries,
        commands=row.commands,
        chunk_count=row.chunk_count,
        tail=row.tail,
        deployment=row.deployment,
        protocol=row.protocol,
        server=row.server,
        inboxed_at_ms=row.inboxed_at_ms,
        scheduled_at_ms=row.scheduled_at_ms,
        running_at_ms=row.running_at_ms,
        retries=row.retries,
        events=row.events,
        output=output,
    )


def _retain(step: Step, done: CompletedRow) -> None:
    """Arm the retention. An id made for one request is kept at least REQUEST_DEDUPE_MS, so that
    the request sent again is recognised; any other at least REPLY_RETENTION_MS, so that a
    waiting client finds the result."""
    invoke = done.invoke
    derived = invoke.idempotency_key is not None or invoke.kind == WORKFLOW_RUN
    is_request = not derived and invoke.origin is None
    least = REQUEST_DEDUPE_MS if is_request else REPLY_RETENTION_MS
    _arm_retention(step, done, max(invoke.completion_retention_ms, least), False)
    if 0 < invoke.journal_retention_ms < invoke.completion_retention_ms:
        _arm_retention(step, done, invoke.journal_retention_ms, True)


def _arm_retention(step: Step, done: CompletedRow, keep_ms: int, journal_only: bool) -> None:
    size = RETENTION_COARSE_MS if keep_ms >= RETENTION_COARSE_FROM_MS else RETENTION_FINE_MS
    bucket = -(-(step.now_ms + keep_ms) // size) * size
    key = retention_key(bucket, step.position >> POSITION_INDEX_BITS, journal_only)
    retention = step.state.retention
    row = retention.unwritten(key)  # those of one message are written together
    if row is None:
        retention.add(key, RetentionRow([(done.invoke.id, done.incarnation)], journal_only))
    else:
        row.items.append((done.invoke.id, done.incarnation))
