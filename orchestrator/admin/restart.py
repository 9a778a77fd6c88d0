"""Restart an invocation as a new one: the Invoke record, and the journal it starts with. Pure."""

from collections.abc import Sequence

import msgspec

from orchestrator.model.ids import random_seed
from orchestrator.model.invoke import Invoke, Prefix
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.values import BY_RESTART, FAILURE, SUCCESS, WORKFLOW_KINDS
from perdure.wire import codes
from perdure.wire.calls import CallCommand, OneWayCallCommand
from perdure.wire.commands import InputCommand
from perdure.wire.frames import HEADER_BYTES, code_of
from perdure.wire.messages import decode_frame
from perdure.wire.notifications import Notification, decode_notification

PREFIX_PROTOCOL_MIN = 6


class RestartRefused(Exception):
    """Why an invocation cannot be restarted like that; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_kind(row: InvocationRow | CompletedRow) -> None:
    """Raise RestartRefused for what is never restarted, whatever its state is."""
    if row.invoke.kind in WORKFLOW_KINDS:
        raise RestartRefused(
            422,
            "a workflow runs once for its key, and is not restarted as new: once its run is over"
            " and purged, it can be called again",
        )


def check_restartable(row: CompletedRow, entry_count: int, upto: int) -> None:
    """Raise RestartRefused unless the journal from 0 to `upto` can start an invocation."""
    if not row.entries or not entry_count:
        raise RestartRefused(410, "its journal, and with it its input, is gone")
    if not 0 <= upto < entry_count:
        raise RestartRefused(400, f"from must be from 0 to {entry_count - 1}, not {upto}")
    if upto and row.protocol < PREFIX_PROTOCOL_MIN:
        raise RestartRefused(
            422,
            f"it ran on service protocol {row.protocol}: keeping a part of the journal needs"
            f" {PREFIX_PROTOCOL_MIN} or later",
        )


def restarted(
    row: CompletedRow,
    frames: Sequence[bytes],
    upto: int,
    identity: bytes,
    deployment: str,
    now_ms: int,
) -> Invoke:
    """The new invocation, in the partition of the old one.

    `frames` is the whole journal, its input first; `identity` 16 new bytes; `deployment` "" is
    the latest when it starts, and must be given if entries are kept.
    """
    old = row.invoke
    given = decode_frame(codes.INPUT, frames[0])
    assert isinstance(given, InputCommand), "entry 0 of a journal is its input"
    prefix = prefix_of(frames, upto, deployment, row.protocol) if upto else None
    return Invoke(
        id=old.id[:8] + identity,
        service=old.service,
        handler=old.handler,
        key=old.key,
        kind=old.kind,
        body=given.value or b"",
        headers=given.headers,
        created_at_ms=now_ms,
        completion_retention_ms=old.completion_retention_ms,
        journal_retention_ms=old.journal_retention_ms,
        by=BY_RESTART,
        seed=(old.seed or random_seed(old.id)) if upto else 0,
        restarted_from=old.id,
        prefix=prefix,
        deployment="" if prefix is not None else deployment,
    )


class _Kept(msgspec.Struct):
    frames: list[bytes]
    commands: int
    wanted: dict[int, str]  # completion id -> the command that waits for it
    completions: dict[int, int]
    signals: dict[int, int]
    names: dict[str, int]


def prefix_of(frames: Sequence[bytes], upto: int, deployment: str, protocol: int) -> Prefix:
    """Entries 0 to `upto`, and the later completions of the commands among them."""
    kept = _Kept([], 1, {}, {}, {}, {})
    for frame in frames[1 : upto + 1]:
        _keep(kept, frame)
    for frame in frames[upto + 1 :]:
        _keep_if_wanted(kept, frame)
    missing = [name for number, name in kept.wanted.items() if number not in kept.completions]
    if missing:
        raise RestartRefused(
            400, f"up to {upto} there are commands without their result: {', '.join(missing[:5])}"
        )
    return Prefix(
        frames=b"".join(kept.frames),
        entries=1 + len(kept.frames),
        commands=kept.commands,
        completions=tuple(kept.completions.items()),
        signals=tuple(kept.signals.items()),
        names=tuple(kept.names.items()),
        deployment=deployment,
        protocol=protocol,
    )


def _keep(kept: _Kept, frame: bytes) -> None:
    kept.frames.append(frame)
    code = code_of(frame)
    if codes.is_notification(code):
        _note(kept, decode_notification(code, frame, HEADER_BYTES))
        return
    if code == codes.OUTPUT:
        raise RestartRefused(400, "the result of the old one cannot be kept: choose a lower from")
    kept.commands += 1
    command = decode_frame(code, frame)
    name = codes.message_name(code)
    for number in _completion_ids(command):
        kept.wanted[number] = name


def _completion_ids(command: object) -> list[int]:
    ids = [getattr(command, "result_completion_id", 0)]
    if isinstance(command, CallCommand | OneWayCallCommand):
        ids.append(command.invocation_id_notification_idx)
    return [number for number in ids if number]


def _keep_if_wanted(kept: _Kept, frame: bytes) -> None:
    code = code_of(frame)
    if not codes.is_notification(code) or code == codes.SIGNAL_NOTIFICATION:
        return
    notification = decode_notification(code, frame, HEADER_BYTES)
    if notification.completion_id in kept.wanted:
        kept.frames.append(frame)
        _note(kept, notification)


def _note(kept: _Kept, notification: Notification) -> None:
    turned_out = SUCCESS if notification.failure is None else FAILURE
    mark = len(kept.frames) << 2 | turned_out  # it is the last of them, the input is entry 0
    match notification.signal:
        case None:
            kept.completions[notification.completion_id] = turned_out
        case int(index):
            kept.signals[index] = mark
        case str(name):
            kept.names[name] = mark
