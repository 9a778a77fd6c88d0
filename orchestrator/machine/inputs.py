"""The input of an invocation: body and headers, which never change.

A small one stays in the Invoke of the invocation's row. A larger one is a row of its own, written
once: else every spill of a live invocation, and its completion, would write it anew, and whoever
lists invocations would read it. Its row goes with the journal, whose entry 0 it is.
"""

from msgspec.structs import replace

from orchestrator.codec.keys import input_key
from orchestrator.machine.step import Step
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import INPUT_INLINE_BYTES
from orchestrator.model.rows import CompletedRow, InputRow, InvocationRow
from orchestrator.tables.state import State


def set_apart(step: Step, row: InvocationRow) -> None:
    """Move a large input of a new row to a row of its own."""
    invoke = row.invoke
    size_bytes = len(invoke.body)
    for name, value in invoke.headers:
        size_bytes += len(name) + len(value)
    if size_bytes > INPUT_INLINE_BYTES:
        apart = InputRow(invoke.body, invoke.headers)
        step.state.inputs.add(input_key(invoke.id, row.incarnation), apart)
        row.invoke = replace(invoke, body=b"", headers=())
        row.input_bytes = size_bytes


def whole_invoke(state: State, row: InvocationRow | CompletedRow) -> Invoke:
    """The Invoke with its input."""
    if not row.input_bytes:
        return row.invoke
    apart = state.inputs.get(input_key(row.invoke.id, row.incarnation))
    assert apart is not None, "an input is kept as long as its invocation's journal"
    return replace(row.invoke, body=apart.body, headers=apart.headers)


def drop_input(step: Step, done: CompletedRow) -> None:
    """Forget the input of a completed invocation, wherever it is."""
    if done.input_bytes:
        step.state.inputs.delete(input_key(done.invoke.id, done.incarnation))
        done.input_bytes = 0
    else:
        done.invoke = replace(done.invoke, body=b"", headers=())
