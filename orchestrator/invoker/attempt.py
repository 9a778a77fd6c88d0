"""One attempt of an invocation, as a state machine without I/O: messages in, proposals out.

The shell hands in what arrives and what time it is, sends the bytes it is given, and takes the
records when `receive` says so. After `over` nothing but `take` counts any more. Pure.
"""

import struct
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from orchestrator.door.targets import show_target
from orchestrator.invoker import codes, failures
from orchestrator.invoker.awaiting import future_of
from orchestrator.invoker.callees import Callees
from orchestrator.invoker.delivered import Delivered
from orchestrator.invoker.entries import ENTRIES, RUN_RESULT, CommandContext, stored_result
from orchestrator.invoker.failures import CommandRefused, attempted, reported
from orchestrator.invoker.incoming import Incoming
from orchestrator.invoker.opening import opening, opening_objects
from orchestrator.invoker.port import AttemptInput
from orchestrator.invoker.retry import after_failure
from orchestrator.invoker.urgency import NOTHING, NOW
from orchestrator.model.effects import AnyEffect, RequestAck, RunResult
from orchestrator.model.limits import INPUT_INLINE_BYTES, TURN_MESSAGE_BYTES
from orchestrator.model.records import Ended, Failed, Journal, Pin, Suspended
from orchestrator.model.values import THEN_RETRY, USUAL_OUTPUT, Attempted, OutputRules
from orchestrator.registry.schema import RetryPolicy
from perdure import wire
from perdure.wire import codes as code

# Frames of one record, unless a single one is larger: a turn's message is split at records.
RECORD_BYTES: Final = TURN_MESSAGE_BYTES // 4
RECORD_EFFECTS: Final = 500  # each may cost as much as a small record
_H: Final = wire.HEADER_BYTES
_ACK: Final = wire.REQUESTED_ACK
_PROPOSE_RUN: Final = code.PROPOSE_RUN_COMPLETION
_RUN: Final = code.RUN
_ENDED: Final = Ended()
_header: Final = struct.Struct(">HHI").unpack_from


class Attempt:
    """What an attempt was given, what it has sent since the last flush, and how it ends."""

    __slots__ = (
        "_commands",
        "_deployment",
        "_done",
        "_door",
        "_effects",
        "_frames",
        "_given",
        "_incoming",
        "_jitter",
        "_payload_bytes_max",
        "_pinned",
        "_policy",
        "_runs",
        "_size_bytes",
        "_step_bytes_max",
        "_unread",
        "_wants",
        "delivered",
        "end",
        "in_message",
        "input_closed",
        "output",
        "over",
        "protocol",
        "reached",
        "refused",
        "server",
        "started_at_ms",
    )

    def __init__(
        self,
        given: AttemptInput,
        policy: RetryPolicy,
        deployment: str,
        protocol: int,
        callees: Callees,
        jitter: Callable[[], float],
        payload_bytes_max: int,
    ) -> None:
        self._given = given
        self._policy = policy
        self.output: OutputRules = USUAL_OUTPUT  # of its handler
        self._deployment = deployment
        self.protocol = protocol
        self._jitter = jitter
        self._door = CommandContext(given.invoke, given.incarnation, callees)
        self._payload_bytes_max = payload_bytes_max
        self._step_bytes_max = min(RECORD_BYTES, payload_bytes_max)
        self._incoming: Incoming | None = None  # once not one whole message comes at a time
        self._pinned = bool(given.deployment and given.protocol)
        # AwaitingOn is for people to look at: it comes twice a step, nobody looks.
        self._unread = code.AWAITING_ON if protocol >= 7 else -1
        self.server = ""
        self.started_at_ms = 0
        self.reached = False  # the handler has been asked, as far as is known
        self.delivered = Delivered(given.entries, given.entries, given.commands)
        self._done: list[Journal] = []
        self._frames: list[bytes] = []
        self._size_bytes = self._commands = self._runs = 0
        self._effects: list[AnyEffect] = []
        self.end: Ended | Suspended | Failed | None = None  # how it ends, once that is known
        self._wants = NOTHING
        self.in_message = False  # part of a message has come
        self.input_closed = False
        self.over = False
        self.refused = False  # it broke a rule: the service is not to go on

    @property
    def target(self) -> str:
        """What is invoked, for people."""
        invoke = self._given.invoke
        return show_target(invoke.service, invoke.handler, invoke.key)

    @property
    def failed(self) -> Failed | None:
        """How it failed, once it has."""
        return self.end if isinstance(self.end, Failed) else None

    @property
    def handler(self) -> tuple[str, str]:
        """Service and handler."""
        return self._given.invoke.service, self._given.invoke.handler

    @property
    def output_failed(self) -> bool:
        """The result that it gave is a failure."""
        return self._door.output_failed

    @property
    def untouched(self) -> bool:
        """Nothing has come of it: it may be begun again as the same attempt."""
        return not (self.over or self._frames or self._done or self.delivered.proposed)

    # --- to the service ---

    def start_frames(
        self, debug_id: str, state: list[tuple[bytes, bytes]], partial: bool, now_ms: int
    ) -> list[bytes]:
        """Start and the input, as bytes to send; the stored entries follow (see `feed.py`)."""
        frames = opening(self._given, self.protocol, debug_id, state, partial, now_ms)
        self._drop_large_body()
        return frames

    def start_objects(
        self, state: list[tuple[bytes, bytes]], partial: bool, now_ms: int
    ) -> tuple[wire.Start, wire.InputCommand]:
        """The same as objects, for an attempt of which nothing but the input is stored."""
        objects = opening_objects(self._given, self.protocol, state, partial, now_ms)
        self._drop_large_body()
        return objects

    def _drop_large_body(self) -> None:
        if len(self._given.invoke.body) > INPUT_INLINE_BYTES:  # not in its row: nobody else has it
            self._given.invoke = self._door.invoke = replace(self._given.invoke, body=b"")

    def discard(self) -> None:
        """Drop the attempt: nothing of it is proposed any more, not even what it has sent."""
        self.over = self.delivered.is_closed = True
        self._wants = NOTHING
        self._frames, self._done, self.end = [], [], None

    def close_input(self) -> None:
        """The request was half-closed: the service is given nothing more."""
        self.input_closed = self.delivered.is_closed = True

    # --- from the service ---

    def receive(self, data: bytes | list[bytes], now_ms: int) -> int:
        """Take in bytes that arrived, or whole frames; returns how urgently records are to be
        taken, NOTHING if these change nothing."""
        if self.over:
            return NOTHING
        try:
            if isinstance(data, list):
                self._door.now_ms = now_ms
                self._whole_messages(data)
                return self._wants
            size_bytes = len(data) - _H
            if size_bytes >= 0 and not self.in_message:
                # Nearly always one whole message comes at a time.
                number, flags, payload_bytes = _header(data)
                if payload_bytes == size_bytes and size_bytes < self._payload_bytes_max:
                    if number == self._unread:
                        return NOTHING
                    self._door.now_ms = now_ms
                    self._message(number, flags, data)
                    return self._wants
            self._door.now_ms = now_ms
            self._messages(data)
        except failures.READ_ERRORS as error:
            self._refuse(failures.as_refusal(error))
        return self._wants

    def ended(self, now_ms: int) -> None:
        """The response ended: without an End, Suspension or Error that is a failure."""
        self.reached = True
        where = " in the middle of a message" if self.in_message else ""
        self.fail(
            codes.HANDLER_ERROR,
            f"the response ended{where} without an End, Suspension or Error message",
            now_ms,
        )

    def fail(
        self,
        restate_code: str,
        message: str,
        now_ms: int,
        asked_delay_ms: int | None = None,
        then: int | None = None,
    ) -> None:
        """The attempt ends here, as a failure seen from this side."""
        self._door.now_ms = now_ms
        self._fail(attempted(restate_code, message, now_ms), asked_delay_ms, then)

    def take(self) -> list[Journal]:
        """The records of all that was received since the last time."""
        if self._frames or (self.end is not None and self._wants):
            self._cut(self.end)
        self._wants = NOTHING
        done, self._done = self._done, []
        return done

    # --- inside ---

    def _whole_messages(self, frames: list[bytes]) -> None:
        """Of an app in this process, which gives the result of a run as it is to be stored."""
        if len(frames) == 2 and not self._frames and self._take_step(frames):
            return
        for frame in frames:
            number, flags, payload_bytes = _header(frame)
            if payload_bytes >= self._payload_bytes_max:
                raise wire.FrameTooLarge(number, payload_bytes, self._payload_bytes_max, [])
            if number == RUN_RESULT:
                completion_id, is_failure = wire.read_run_completion(frame)
                self._add_result(completion_id, frame, is_failure, self.protocol >= 7)
            else:
                self._message(number, flags, frame)
            if self.over:
                return  # what follows the end means nothing

    def _take_step(self, frames: list[bytes]) -> bool:
        """A run and its result, as handlers with steps say mostly; False if it is not that."""
        run, stored = frames
        completion_id = wire.read_step(run, stored)
        size_bytes = len(run) + len(stored)
        proposed = self.delivered.proposed
        if not completion_id or size_bytes > self._step_bytes_max or completion_id in proposed:
            return False
        proposed[completion_id] = self.protocol >= 7
        self._effects.append(RunResult(completion_id, False, len(run), size_bytes))
        self._commands += 1
        self._frames, self._size_bytes = frames, size_bytes
        self._wants = NOW
        return True

    def _messages(self, data: bytes) -> None:
        """Any number of messages, the last one perhaps only begun."""
        incoming = self._incoming
        if incoming is None:
            incoming = self._incoming = Incoming(self._payload_bytes_max)
        frames, too_large = incoming.cut(data)
        self.in_message = incoming.in_message
        for number, flags, frame in frames:
            self._message(number, flags, frame)
            if self.over:
                return  # what follows the end means nothing
        if too_large is not None:
            raise too_large

    def _message(self, number: int, flags: int, frame: bytes) -> None:
        entry = ENTRIES.get(number)
        if entry is not None:
            size_bytes = len(frame)
            if self._size_bytes + size_bytes > RECORD_BYTES or len(self._effects) >= RECORD_EFFECTS:
                self._make_room()
            read, wants = entry
            effect = read(self._door, frame, self._size_bytes)
            if flags & _ACK:
                self._effects.append(RequestAck(self._given.commands + self._commands))
                wants = NOW
            if effect is not None:
                self._effects.append(effect)
            self._commands += 1
            if number == _RUN:
                self._runs += 1
            self._frames.append(frame)
            self._size_bytes += size_bytes
            if wants > self._wants:
                self._wants = wants
        elif number == _PROPOSE_RUN:
            self._propose_run(flags, frame)
        elif number != self._unread:
            self._control(number, frame)

    def _control(self, number: int, frame: bytes) -> None:
        if number == code.END:
            wire.decode_end(frame, _H)
            self._finish(_ENDED if self.output == USUAL_OUTPUT else Ended(self.output))
        elif number == code.SUSPENSION:
            waiting = future_of(wire.decode_suspension(frame, _H).awaiting_on)
            # A service that suspends while it could still be told something may have missed it.
            seen = self.delivered.seen if self.input_closed else self._given.entries
            self._finish(Suspended(waiting, seen, self.started_at_ms))
        elif number == code.ERROR:
            m = wire.decode_error(frame, _H)
            self.reached = True
            then = failures.wanted_then(m) if self.protocol >= 7 else None
            self._fail(reported(m, self._door.now_ms), m.next_retry_delay, then)
        else:
            name = wire.message_name(number)
            raise CommandRefused(
                codes.PROTOCOL_VIOLATION, f"a service may not send the message {name} here"
            )

    def _propose_run(self, flags: int, frame: bytes) -> None:
        completion_id, stored, is_failure = stored_result(frame, self.protocol)
        wants_ack = self.protocol >= 7 and bool(flags & _ACK)
        self._add_result(completion_id, stored, is_failure, wants_ack)

    def _add_result(self, completion_id: int, stored: bytes, is_failure: bool, ack: bool) -> None:
        proposed = self.delivered.proposed
        if not completion_id or completion_id in proposed:
            raise CommandRefused(
                codes.PROTOCOL_VIOLATION, f"the result of run {completion_id} is proposed twice"
            )
        size_bytes = len(stored)
        if self._size_bytes + size_bytes > RECORD_BYTES or len(self._effects) >= RECORD_EFFECTS:
            self._make_room()
        proposed[completion_id] = ack
        start = self._size_bytes
        self._size_bytes = end = start + size_bytes
        self._effects.append(RunResult(completion_id, is_failure, start, end))
        self._runs -= 1
        self._frames.append(stored)
        self._wants = NOW

    def _make_room(self) -> None:
        """What has gathered is a record of its own: it would be too large with what comes."""
        if self._frames:
            self._cut(None)
            self._wants = NOW

    def _refuse(self, refusal: CommandRefused) -> None:
        why = attempted(refusal.restate_code, refusal.message, self._door.now_ms, code=refusal.code)
        self.refused = self.reached = True
        self._fail(why, None, refusal.then)

    def _fail(self, why: Attempted, asked_delay_ms: int | None, then: int | None) -> None:
        count, at_ms = self._given.retry_count, 0
        if then is None:
            verdict = after_failure(self._policy, count, asked_delay_ms, self._jitter())
            then, count = verdict.then, verdict.retry_count
            if then == THEN_RETRY:
                at_ms = self._door.now_ms + verdict.delay_ms
        began = self.started_at_ms, self._deployment, self.server
        self._finish(Failed(why, then, count, at_ms, self.reached, *began))

    def _finish(self, end: Ended | Suspended | Failed) -> None:
        if not self.over:
            self.over = self.delivered.is_closed = True
            self.end = end
            self._wants = NOW

    def _cut(self, end: Ended | Suspended | Failed | None) -> None:
        """Make one record of what has gathered."""
        given, frames = self._given, self._frames
        pin = None
        if not self._pinned and (frames or not isinstance(end, Failed)):
            self._pinned = True
            pin = Pin(self._deployment, self.protocol, self.server)
        self._done.append(
            Journal(
                given.epoch,
                given.invoke.id,
                given.incarnation,
                given.attempt,
                self._door.now_ms,
                pin,
                frames[0] if len(frames) == 1 else b"".join(frames),
                len(frames),
                self._commands,
                tuple(self._effects),
                end,
                self._runs,
            )
        )
        given.commands += self._commands
        self._frames = []
        self._size_bytes = self._commands = self._runs = 0
        self._effects = []
