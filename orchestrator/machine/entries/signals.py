"""Signals to other invocations, awakeables and cancel among them."""

from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.effects import SendSignal
from orchestrator.model.records import Signal
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import Outcome


def send_signal(step: Step, row: InvocationRow, effect: SendSignal, frames: bytes) -> None:
    value: Outcome | None = effect.failure
    if value is None and effect.start >= 0:
        value = frames[effect.start : effect.end]
    route_item(step, Signal(effect.target_id, effect.index, effect.name, value, step.now_ms))
