"""apply(state, record) -> actions: the only place where state changes."""

from collections.abc import Callable
from typing import Any

from orchestrator.machine.apply_chore import apply_chore
from orchestrator.machine.apply_intake import (
    apply_intake,
    apply_source_closed,
    apply_source_opened,
)
from orchestrator.machine.apply_invoke import apply_invoke
from orchestrator.machine.apply_journal import apply_journal
from orchestrator.machine.apply_kill import apply_kill
from orchestrator.machine.apply_leader import apply_announce, apply_raise_level
from orchestrator.machine.apply_letters import (
    apply_drop_dead_letter,
    apply_purge_dead_letters,
    apply_redrive_dead_letter,
)
from orchestrator.machine.apply_outbox import apply_outbox_advanced
from orchestrator.machine.apply_patch import apply_patch_state
from orchestrator.machine.apply_pause import apply_pause, apply_resume
from orchestrator.machine.apply_produced import (
    apply_close_lane,
    apply_outbox_refused,
    apply_produced,
)
from orchestrator.machine.apply_purge import apply_purge, apply_purge_expired, apply_purge_journal
from orchestrator.machine.apply_signal import apply_cancel, apply_signal
from orchestrator.machine.apply_timers import apply_timers_fired
from orchestrator.machine.apply_transfer import apply_transfer
from orchestrator.machine.feeds import apply_switch_feed
from orchestrator.machine.items import apply_item
from orchestrator.machine.step import Step
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import INBOX_STEP_COUNT
from orchestrator.model.records import (
    AnnounceLeader,
    AnyRecord,
    Cancel,
    ChoreStep,
    Journal,
    Kill,
    OutboxAdvanced,
    PatchState,
    Pause,
    Purge,
    PurgeExpired,
    PurgeJournal,
    RaiseLevel,
    Resume,
    Signal,
    TimersFired,
    Transfer,
)
from orchestrator.model.topic_records import (
    CloseLane,
    DropDeadLetter,
    Intake,
    OutboxRefused,
    Produced,
    PurgeDeadLetters,
    RedriveDeadLetter,
    SourceClosed,
    SourceOpened,
    SwitchFeed,
)
from orchestrator.tables.state import State

_TABLE: dict[type, Callable[[Step, Any], Answer]] = {
    Invoke: apply_invoke,
    Journal: apply_journal,
    TimersFired: apply_timers_fired,
    PurgeExpired: apply_purge_expired,
    ChoreStep: apply_chore,
    OutboxAdvanced: apply_outbox_advanced,
    RaiseLevel: apply_raise_level,
    Transfer: apply_transfer,
    AnnounceLeader: apply_announce,
    Signal: apply_signal,
    Cancel: apply_cancel,
    Kill: apply_kill,
    Pause: apply_pause,
    Resume: apply_resume,
    Purge: apply_purge,
    PurgeJournal: apply_purge_journal,
    PatchState: apply_patch_state,
    SourceOpened: apply_source_opened,
    Intake: apply_intake,
    SourceClosed: apply_source_closed,
    Produced: apply_produced,
    OutboxRefused: apply_outbox_refused,
    CloseLane: apply_close_lane,
    SwitchFeed: apply_switch_feed,
    PurgeDeadLetters: apply_purge_dead_letters,
    DropDeadLetter: apply_drop_dead_letter,
    RedriveDeadLetter: apply_redrive_dead_letter,
}


def apply(state: State, record: AnyRecord, position: int, actions: list[AnyAction]) -> Answer:
    """Apply one record at its position; append what the leader has to do; say what became of it.

    Pure: the same state, record and position give the same rows and actions.
    """
    step = Step(state, position, record.now_ms, actions, apply_item, INBOX_STEP_COUNT)
    return _TABLE[type(record)](step, record)
