"""Effects of journal entries, one file per family of command."""

from collections.abc import Callable
from typing import Any

from orchestrator.machine.entries import (
    ack,
    attach,
    calls,
    output,
    promises,
    run,
    signals,
    sleep,
    state,
)
from orchestrator.machine.step import Step
from orchestrator.model.effects import (
    Attach,
    Call,
    ClearAllState,
    ClearState,
    CompletePromise,
    GetOutput,
    GetPromise,
    GetState,
    GetStateKeys,
    PeekPromise,
    RequestAck,
    RunResult,
    SendSignal,
    SetOutput,
    SetState,
    Sleep,
)
from orchestrator.model.rows import InvocationRow

ApplyEffect = Callable[[Step, InvocationRow, Any, bytes], None]

APPLY_EFFECT: dict[type, ApplyEffect] = {
    SetOutput: output.set_output,
    SetState: state.set_state,
    ClearState: state.clear_state,
    ClearAllState: state.clear_all_state,
    GetState: state.get_state,
    GetStateKeys: state.get_state_keys,
    GetPromise: promises.get_promise,
    PeekPromise: promises.peek_promise,
    CompletePromise: promises.complete_promise,
    Sleep: sleep.sleep,
    Call: calls.call,
    SendSignal: signals.send_signal,
    RunResult: run.run_result,
    Attach: attach.attach,
    GetOutput: attach.get_output,
    RequestAck: ack.ack_command,
}
