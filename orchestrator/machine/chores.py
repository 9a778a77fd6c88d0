"""Chores: work too large for one record, kept as a row and done by follow-up records."""

from orchestrator.codec.keys import chore_key
from orchestrator.machine.step import Step
from orchestrator.model.actions import DoChore
from orchestrator.model.rows import CHORE_DROP_STATE, ChoreRow


def add_chore(step: Step, chore: ChoreRow) -> None:
    """Work that is bounded per record goes on by follow-up records."""
    key = chore_key(step.position, step.sub)
    step.sub += 1
    step.state.chores.add(key, chore)
    step.actions.append(DoChore(key))


def drop_state_rows(step: Step, service: str, key: str, generation: int) -> None:
    if generation:
        add_chore(step, ChoreRow(CHORE_DROP_STATE, service=service, key=key, generation=generation))
