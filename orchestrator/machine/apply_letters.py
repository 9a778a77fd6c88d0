"""Dead letters that arrive at their home, are done again, dropped, or were kept long enough."""

from itertools import islice

from orchestrator.machine import letters
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.limits import CHORE_STEP_BYTES, PURGE_STEP_COUNT
from orchestrator.model.rows import DeadLetterRow
from orchestrator.model.topic_records import (
    DeadLetter,
    DropDeadLetter,
    PurgeDeadLetters,
    RedriveDeadLetter,
)


def apply_dead_letter(step: Step, letter: DeadLetter) -> None:
    letters.keep_letter(step, letter)


def apply_drop_dead_letter(step: Step, record: DropDeadLetter) -> Answer:
    row = step.state.letters.get(record.letter)
    if row is None:
        return Answer.NOT_FOUND
    letters.forget_letter(step, record.letter, row)
    return DONE


def apply_redrive_dead_letter(step: Step, record: RedriveDeadLetter) -> Answer:
    """Invoke again, and forget the dead letter: a second request finds no row."""
    row = step.state.letters.get(record.letter)
    if row is None:
        return Answer.NOT_FOUND
    letters.forget_letter(step, record.letter, row)
    route_item(step, record.invoke)
    return DONE


def apply_purge_dead_letters(step: Step, record: PurgeDeadLetters) -> Answer:
    """Forget dead letters from the oldest on. The walk ends at the first one that is too young,
    even if the clock was set back and older ones follow."""
    if record.epoch != step.state.partition_row.epoch:
        return Answer.DROPPED
    old: list[tuple[bytes, DeadLetterRow]] = []
    left_bytes = CHORE_STEP_BYTES
    for key, row in islice(step.state.letters.scan(), PURGE_STEP_COUNT):
        if row.letter.now_ms >= record.before_ms:
            break
        old.append((key, row))
        left_bytes -= letters.letter_bytes(row.letter)
        if left_bytes <= 0:
            break
    for key, row in old:
        letters.forget_letter(step, key, row)
    is_part = left_bytes <= 0 or len(old) == PURGE_STEP_COUNT
    return Answer.ACCEPTED if is_part else DONE
