"""AttachTo: a handler asks for the result of another invocation, now or when there is one."""

from orchestrator.machine import life
from orchestrator.machine.results import outcome_of
from orchestrator.machine.routing import respond
from orchestrator.machine.step import Step
from orchestrator.model.records import AttachTo
from orchestrator.model.values import CODE_NOT_FOUND, Failure

NOT_FOUND = Failure(CODE_NOT_FOUND, "not found")


def apply_attach(step: Step, request: AttachTo) -> None:
    """A live one answers when it completes, or at once with void if it was only asked now."""
    live = step.state.invocations.get(request.target_id)
    if live is not None:
        if request.poll:
            respond(step, request.caller, None)
        else:
            life.attach_waiter(step, live, request.caller)
        return
    done = life.find_completed(step, request.target_id)
    respond(step, request.caller, NOT_FOUND if done is None else outcome_of(step.state, done))
