"""Invoke: admit an invocation, or recognise one whose id is known."""

from orchestrator.machine import life, origins
from orchestrator.machine.results import outcome_of
from orchestrator.machine.routing import respond
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import CODE_CONFLICT, WORKFLOW_RUN, Failure

ALREADY_STARTED = Failure(CODE_CONFLICT, "the workflow method was already invoked for this key")


def apply_invoke(step: Step, invoke: Invoke) -> Answer:
    """The first Invoke of an id starts it; a later one attaches its caller, if it has one."""
    state = step.state
    live = state.invocations.get(invoke.id)
    if live is not None:
        if invoke.caller is not None:
            if invoke.kind == WORKFLOW_RUN:
                respond(step, invoke.caller, ALREADY_STARTED)
            else:
                life.attach_waiter(step, live, invoke.caller)
        elif invoke.origin is not None:
            if invoke.kind == WORKFLOW_RUN:
                origins.repeat(step, invoke, ALREADY_STARTED, live.incarnation)
            else:
                origins.join(step, invoke, live)
        return Answer.DUPLICATE
    done = state.completed.get(invoke.id)
    if done is not None:
        if done.expires_at_ms > invoke.created_at_ms or not _is_derived(invoke):
            if invoke.caller is not None or invoke.origin is not None:
                known = ALREADY_STARTED if invoke.kind == WORKFLOW_RUN else outcome_of(state, done)
                if invoke.caller is not None:
                    respond(step, invoke.caller, known)
                else:
                    origins.repeat(step, invoke, known, done.incarnation)
            return Answer.DUPLICATE
        life.purge(step, done)
    row = life.new_row(step, invoke)
    if invoke.start_at_ms > step.now_ms:
        life.schedule(step, row)
    else:
        life.enter(step, row)
    return DONE


def _is_derived(invoke: Invoke) -> bool:
    return invoke.idempotency_key is not None or invoke.kind == WORKFLOW_RUN
