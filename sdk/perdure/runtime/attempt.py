"""One attempt of an `async def` handler: bytes come in, the handler runs, bytes go out.

All of it happens on the event loop, inside `feed` and the callbacks of steps. The handler runs
until all of it waits; then the next notification is settled, and so on until none is left. Only
then are steps executed, what was written sent, and, if nothing more can come, the attempt
suspended. While code of the handler runs, the event loop that it sees is `own_loop`.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Mapping
from contextvars import copy_context
from datetime import timedelta
from typing import Any, Final, TypeVar

from perdure.blocking import SyncContext
from perdure.context import Context, current
from perdure.definitions import HandlerDefinition
from perdure.durations import delta_ms
from perdure.errors import AttemptEnded, BadValue, ControlFlow, Suspended
from perdure.futures import Future, Sleep
from perdure.misuse import misuse
from perdure.replay import Machine, ReplayError
from perdure.replay.slot import PENDING
from perdure.runtime.awaited import wire_future
from perdure.runtime.bridge import Bridge
from perdure.runtime.contexts import context_class
from perdure.runtime.driver import Driver
from perdure.runtime.fiber import coroutine_of
from perdure.runtime.group import FiberGroup
from perdure.runtime.loop import NO_LOOP
from perdure.runtime.outcome import complain, give_result, report, used_late, warn_of_forgotten
from perdure.runtime.running import StepRun, start_step
from perdure.runtime.threads import handler_threads
from perdure.runtime.tracing import AttemptSpan, start_span
from perdure.steps import Step
from perdure.wire.codes import BAD_REQUEST
from perdure.wire.commands import InputCommand
from perdure.wire.start import Start
from perdure.wire.values import WireFailure
from perdure.wire.versions import V7

T = TypeVar("T")

_TELLING_S: Final = 0.05
"""After a wait has begun that may take long."""
_SPIN_S: Final = 0.02
"""How often code that polls is run while nothing comes."""


def _nothing(*_: object) -> None:
    """What an attempt that is over tells its transport."""


def unix_ms() -> int:
    """The time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Attempt(Driver):
    """See the module. `send` takes response bytes, `ended` is called once after the last."""

    def __init__(
        self,
        handler: HandlerDefinition,
        version: int,
        send: Callable[[bytes], None],
        ended: Callable[[], None],
        loop: AbstractEventLoop,
        request_headers: Mapping[str, str],
        now_ms: Callable[[], int] = unix_ms,
    ) -> None:
        super().__init__(Machine(version), loop)
        self.handler = handler
        self.request_headers = request_headers
        self.now_ms = now_ms
        self.steps: list[Step] = []  # to be executed when the handler waits
        self.running: set[StepRun] = set()
        self.bridge: Bridge | None = None  # whose thread runs, or did last
        self._ctx: Context | None = None
        self._span: AttemptSpan | None = None
        self.sends_frames = False
        self._send: Callable[[Any], None] = send
        self._ended: Callable[..., None] = ended
        self._flush_is_due = False
        self._telling: TimerHandle | None = None

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the handler."""
        return self.handler.file, self.handler.line

    # -- what the transport tells

    def open(self, start: Start, given: InputCommand) -> None:
        """Take in the first messages, where the journal holds nothing but the input."""
        self.machine.open(start, given)
        self._begin()

    def answer_engine(self) -> None:
        """Send lists of whole frames, and in them results of steps as they are to be stored."""
        self.sends_frames = True
        self.machine.stores_results = self.machine.version >= V7

    def acknowledge(self, completion_ids: list[int]) -> None:
        """Take note that these results of steps are stored."""
        if not self.over:
            self.machine.acknowledge(completion_ids)
            self.drive()

    def feed(self, data: bytes | memoryview) -> None:
        """Take in a piece of the request body."""
        if self.over:
            return
        machine = self.machine
        try:
            machine.feed(data if type(data) is bytes else bytes(data))
        except ReplayError as error:
            self.fail(error)
            return
        if self.variables is not None:
            self.drive()
        elif machine.ready:
            self._begin()

    def end_input(self) -> None:
        """Take note that the request body has ended."""
        if self.over or self.machine.input_ended:
            return
        try:
            self.machine.end_input()
        except ReplayError as error:
            self.fail(error)
            return
        self.drive()

    def lost(self) -> None:
        """Take note that the peer has gone: nothing that is still done counts."""
        if self.over:
            return
        self.over = True
        self.machine.close()
        self.machine.over = AttemptEnded
        self._unwind(AttemptEnded())
        self._end_span("lost")
        self._release()

    @property
    def is_busy(self) -> bool:
        """Whether it does something by itself: a step, a thread, something of asyncio."""
        if self.running or self.in_thread or self.own_loop.ready:
            return True
        return self.waits_outside

    # -- running the handler

    def _begin(self) -> None:
        if self.handler.begins_anew:
            self.machine.begin_anew()
        self.variables = copy_context()
        self.inside(self._call)

    def _call(self) -> None:
        handler = self.handler
        ctx = self._ctx = context_class(handler.service_kind, handler.kind)(self)
        current.set(ctx)
        self._span = start_span(handler, self.machine, self.request_headers)
        try:
            args: tuple[Any, ...] = ()
            if handler.takes_input:
                args = (handler.input.decode(self.machine.input.value or b""),)
            if handler.is_async:
                coro = handler.bind(ctx)(*args)
            else:
                coro = self.in_a_thread(handler.bind(SyncContext(ctx)), *args)
        except BadValue as error:
            self._refuse(f"the argument does not fit {handler.service}/{handler.name}: {error}")
            return
        except BaseException as error:  # noqa: BLE001
            self.end_with(error)
            return
        if not hasattr(coro, "send"):
            coro = coroutine_of(coro)
        self.begin(coro, None, None)
        self.run_all()

    # -- waiting

    def wait(self) -> None:
        """All of the handler waits, and no notification is left."""
        machine = self.machine
        if self.own_loop.ready:
            self.loop.call_later(_SPIN_S, self.drive)
        if machine.replaying:
            if not self.waits_outside:
                self.fail(machine.stuck())
            return
        has_steps = bool(self.steps)
        if has_steps:
            self._execute_steps()
        if self.over or self.running or (self.outside_count and self.waits_outside):
            self.flush()
        elif machine.input_ended or (self.bridge is not None and handler_threads.is_short):
            self._suspend()
        else:
            self.flush()
            if self.bridge is not None:
                handler_threads.hold(self)
            # What steps have given is stored soon: of that nothing is to be told.
            if machine.version >= 7 and self._telling is None and not has_steps:
                self._telling = self.loop.call_later(_TELLING_S, self._tell)

    def give_back(self) -> None:
        """Suspend, if all of the handler waits: others wait for its thread."""
        try:
            self.loop.call_soon_threadsafe(self._give_back)
        except RuntimeError:  # the loop was closed meanwhile
            pass

    def _give_back(self) -> None:
        if not (self.over or self.is_busy or self.machine.replaying or self.steps):
            self._suspend()

    def _tell(self) -> None:
        """Tell what the handler waits for: for people alone, so not at every turn of it. What a
        fan-out waits for is as long as the fan-out."""
        self._telling = None
        if not (self.over or self.in_thread or self.running or self.waits_outside):
            self.machine.awaiting_on(wire_future(self.awaited(), True))
            self.flush()

    def _execute_steps(self) -> None:
        """Announcements and the results of what ends at once go out in one piece, by `wait`."""
        steps, self.steps = self.steps, []
        for step in steps:
            if step.future.kind == PENDING:
                start_step(self, step)
                if self.over:
                    return

    def flush(self) -> None:
        """Send what was written."""
        out = self.machine.out
        if out:
            self.machine.out = []
            if self.sends_frames:
                self._send(out)
            else:
                self._send(out[0] if len(out) == 1 else b"".join(out))

    def flush_soon(self) -> None:
        """Send what was written with what else this turn of the loop brings."""
        if len(self.running) == 0:
            self.flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush_late)

    def _flush_late(self) -> None:
        self._flush_is_due = False
        if not self.over:
            self.flush()

    def step_done(self) -> None:
        """A step has ended that was not begun just now: its result was proposed, or the attempt has
        failed by it."""
        if self.over:
            return
        if self.machine.input_ended and not self.running:
            self.drive()  # nothing will come any more: suspend
        else:
            self.flush_soon()

    # -- the end

    def end_with(self, error: BaseException | None) -> None:
        """The handler has returned or raised."""
        try:
            if self.machine.broken is not None:
                self.fail(self.machine.broken, error)
                return
            if error is None:
                if self.steps or self.machine.pending:
                    warn_of_forgotten(self.handler, self.steps, self.machine.pending.values())
                give_result(self.machine, self.handler, self.returned)
            else:
                if self._span is not None:
                    self._span.failed(error)
                report(self.machine, self.handler, error)
        except ReplayError as broken:
            self.fail(broken, error)
            return
        self._finish()

    def fail(self, error: ReplayError, raised: BaseException | None = None) -> None:
        """End the attempt: the journal or the protocol is broken."""
        if self._span is not None:
            self._span.failed(error)
        report(self.machine, self.handler, error if raised is None else raised, error)
        self._finish()

    def fail_step(self) -> None:
        """End the attempt: a step failed, and the machine has the error."""
        self._finish(outcome="step failed")

    def _refuse(self, message: str) -> None:
        """The caller is at fault: tell it, for good."""
        try:
            self.machine.output_failure(WireFailure(BAD_REQUEST, message))
        except ReplayError as error:
            self.fail(error)
            return
        self._finish()

    def _suspend(self) -> None:
        self.machine.suspend(wire_future(self.awaited(), True))
        self._finish(Suspended())

    def _finish(self, error: ControlFlow | None = None, outcome: str = "ended") -> None:
        if self.over:
            return
        self.over = True
        self._end_span(outcome if error is None else "suspended")
        self.flush()
        self.machine.over = AttemptEnded if error is None else type(error)
        self._unwind(error or AttemptEnded())
        if error is None:
            self.machine.over = used_late
        self._ended()
        self._release()

    def _end_span(self, outcome: str) -> None:
        if self._span is not None:
            self._span.end(outcome)

    def _unwind(self, error: ControlFlow) -> None:
        """Leave all that still runs."""
        for run in tuple(self.running):
            run.abandon()
        self.running.clear()
        if self.fibers or self.own_loop.tasks:
            for complaint in self.inside(self.leave_all, error):
                complain(self.handler, error, complaint)

    def _release(self) -> None:
        for task, callback in self.at_end:
            self.loop.call_soon(callback, task)
        self.at_end = ()
        if self._telling is not None:
            self._telling.cancel()
        if self.bridge is not None:
            handler_threads.drop(self)
        self.fibers.clear()
        self.runnable.clear()
        self.steps.clear()
        # Without circles it is gone at once: the collector has nothing to find.
        self._ctx = self.variables = None
        self.own_loop = NO_LOOP
        self._send = self._ended = _nothing

    # -- what contexts ask for

    def sleep_for(self, delta: timedelta, name: str = "") -> Future[None]:
        """Start a durable timer."""
        future = Sleep(self)
        if self._ctx is None:
            raise self.machine.over()
        self._ctx.machine.sleep(future, self.now_ms() + delta_ms(delta), name)
        return future

    @property
    def waits_in_place(self) -> bool:
        """Whether the handler is a plain `def`, which waits in its thread."""
        return self.bridge is not None

    def in_a_thread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a coroutine of plain work, which waits in its thread."""
        return Bridge(self).run(work, *args, **kwargs)

    def execute(self, step: Step) -> None:
        """Have a step executed when the handler waits."""
        self.steps.append(step)

    def group(self) -> FiberGroup:
        """See Context.group."""
        return FiberGroup(self)

    def block(self, future: Future[Any]) -> None:
        """Wait in the thread of a plain `def` handler; an `async def` one must not."""
        ctx = current.get()
        if ctx is None or ctx.runner is not self:
            raise misuse("this future belongs to another handler, or to an earlier attempt")
        if self.bridge is not None:
            self.bridge.block(future)
            return
        raise misuse("result() waits only in plain def handlers; here the future is to be awaited")
