"""The input of an invocation: body and headers, which never change.

A small one stays in the Invoke of the invocation's row. A larger one is a row of its own, written
once: otherwise each spill of a live invocation, and its completion, would write it again, and each
listing of invocations would read it. Its row is deleted with the journal, whose entry 0 it is.
"""

from itertools import chain

from msgspec.structs import replace

from orchestrator.codec.keys import input_key
from orchestrator.machine.step import Step
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import INPUT_INLINE_BYTES
from orchestrator.model.rows import CompletedRow, InputRow, InvocationRow
from orchestrator.model.topics import origin_bytes, request_bytes, thin_origin, thin_request
from orchestrator.tables.state import State


def set_apart(step: Step, row: InvocationRow) -> None:
    """Move a large input of a new row to a row of its own."""
    invoke = row.invoke
    size_bytes = len(invoke.body)
    if invoke.headers:
        size_bytes += sum(map(len, chain.from_iterable(invoke.headers)))
    if invoke.origin is not None:
        size_bytes += origin_bytes(invoke.origin)
    if invoke.produce is not None:
        size_bytes += request_bytes(invoke.produce)
    if size_bytes > INPUT_INLINE_BYTES:
        apart = InputRow(invoke.body, invoke.headers, invoke.origin, invoke.produce)
        step.state.inputs.add(input_key(invoke.id, row.incarnation), apart)
        row.invoke = _without_input(invoke)
        row.input_bytes = size_bytes


def whole_invoke(state: State, row: InvocationRow | CompletedRow) -> Invoke:
    """The Invoke with its input."""
    if not row.input_bytes:
        return row.invoke
    apart = state.inputs.get(input_key(row.invoke.id, row.incarnation))
    assert apart is not None, "an input is kept as long as its invocation's journal"
    whole = replace(row.invoke, body=apart.body, headers=apart.headers)
    if apart.origin is not None and whole.origin is not None:
        origin = replace(apart.origin, holds_slot=whole.origin.holds_slot)
        whole = replace(whole, origin=origin)
    return whole if apart.produce is None else replace(whole, produce=apart.produce)


def drop_input(step: Step, done: CompletedRow) -> None:
    """Forget the input of a completed invocation, wherever it is."""
    if done.input_bytes:
        step.state.inputs.delete(input_key(done.invoke.id, done.incarnation))
        done.input_bytes = 0
    else:
        done.invoke = _without_input(done.invoke)


def _without_input(invoke: Invoke) -> Invoke:
    """What is left when body and headers, and what may be large of records, are elsewhere."""
    if invoke.origin is None and invoke.produce is None:
        return replace(invoke, body=b"", headers=())
    origin, produce = thin_origin(invoke.origin), thin_request(invoke.produce)
    return replace(invoke, body=b"", headers=(), origin=origin, produce=produce)
