"""Purge, PurgeJournal and PurgeExpired: completed invocations are forgotten."""

from orchestrator.machine import life
from orchestrator.machine.step import Step
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.records import Purge, PurgeExpired, PurgeJournal


def apply_purge(step: Step, purge: Purge) -> Answer:
    done = life.find_completed(step, purge.target_id)
    if done is None:
        live = step.state.invocations.get(purge.target_id)
        return Answer.NOT_FOUND if live is None else Answer.NOT_COMPLETED
    step.state.listings.unlist(done)
    life.purge(step, done)
    return DONE


def apply_purge_journal(step: Step, purge: PurgeJournal) -> Answer:
    done = life.find_completed(step, purge.target_id)
    if done is None:
        live = step.state.invocations.get(purge.target_id)
        return Answer.NOT_FOUND if live is None else Answer.NOT_COMPLETED
    life.drop_journal(step, done)
    return DONE


def apply_purge_expired(step: Step, purge: PurgeExpired) -> Answer:
    """Retention rows name incarnations: an id that lives anew is left alone."""
    if purge.epoch != step.state.partition_row.epoch:
        return Answer.DROPPED
    state = step.state
    for key in purge.keys:
        row = state.retention.get(key)
        if row is None:
            continue
        state.retention.delete(key)
        for invocation_id, incarnation in row.items:
            done = state.completed.get(invocation_id)
            if done is None or done.incarnation != incarnation:
                continue
            if row.journal_only:
                life.drop_journal(step, done)
            else:
                life.purge(step, done)
    step.state.listings.drop_some(step.now_ms)
    return DONE
