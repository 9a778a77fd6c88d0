"""Steps that are being executed: in place, as tasks that begin at once, or in threads."""

from __future__ import annotations

import inspect
import logging
from asyncio import AbstractEventLoop, CancelledError, Task
from collections.abc import Callable
from contextvars import Context as Variables
from contextvars import copy_context
from datetime import timedelta
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec

from perdure.context import current
from perdure.errors import Pause, RetryAfter, Terminal, terminal_of
from perdure.failures import wire_failure
from perdure.misuse import user_traceback
from perdure.runtime.eager import Begun, begin_task
from perdure.runtime.fiber import coroutine_of
from perdure.runtime.outcome import fail_attempt, text_of, unencodable
from perdure.runtime.threads import step_threads
from perdure.steps import Step, next_try
from perdure.wire.codes import BEHAVIOR_PAUSE, INTERNAL
from perdure.wire.values import WireFailure

if TYPE_CHECKING:
    from perdure.runtime.attempt import Attempt

_logger = logging.getLogger("perdure")


def start_step(attempt: Attempt, step: Step) -> None:
    """Execute a step; its result is proposed when it has ended. Of an `async def` function all
    that it does before it waits is done when this returns."""
    traits = step.traits
    if step.inline:
        attempt.machine.propose_value(step.future, traits.serde.encode(step.fn(*step.args)))
        return
    variables = copy_context()
    run = StepRun(attempt, step, variables, attempt.now_ms())
    if traits.is_async:
        run.begin(_call, step, attempt.loop, variables)
    else:
        attempt.running.add(run)
        step_threads.run(variables, run.work)


def _call(step: Step, loop: AbstractEventLoop, variables: Variables) -> Begun:
    current.set(None)
    coro = step.fn(*step.args, **step.kwargs)
    if type(coro) is not CoroutineType:
        coro = coroutine_of(coro)
    return begin_task(coro, loop, variables, step.traits.name)


class StepRun(msgspec.Struct, eq=False):
    """One execution of a step."""

    attempt: Attempt
    step: Step
    variables: Variables
    started_ms: int
    task: Task[Any] | None = None

    def begin(self, call: Callable[..., Begun], *args: Any) -> bool:
        """Call a function, and go on as soon as its task has ended; True if that is now."""
        try:
            task, value = self.variables.run(call, *args)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001
            self._settle(None, error)
            return True
        if task is None:
            self._settle(value, None)
            return True
        self.attempt.running.add(self)
        self.task = task
        task.add_done_callback(self._task_done)
        return False

    def _task_done(self, task: Task[Any]) -> None:
        if task.cancelled():
            self._end(None, CancelledError())
            return
        error = task.exception()
        self._end(None if error is not None else task.result(), error)

    def work(self) -> None:
        """Call a plain function, in a thread."""
        current.set(None)
        step, loop = self.step, self.attempt.loop
        try:
            value = step.fn(*step.args, **step.kwargs)
        except BaseException as error:  # noqa: BLE001
            _back(loop, self._end, None, error)
        else:
            _back(loop, self._returned, value)

    def _returned(self, value: Any) -> None:
        attempt = self.attempt
        if not inspect.isawaitable(value):
            self._end(value, None)
        elif self in attempt.running:
            attempt.running.discard(self)
            # The thread may not have left its context yet, and only one can be in it.
            self.variables = self.variables.copy()
            name = self.step.traits.name
            coro = coroutine_of(value)
            if self.begin(begin_task, coro, attempt.loop, self.variables, name):
                attempt.step_done()

    def abandon(self) -> None:
        """The attempt is over: stop what can be stopped."""
        if self.task is not None:
            self.task.cancel()

    def _end(self, value: Any, error: BaseException | None) -> None:
        running = self.attempt.running
        if self in running:
            running.discard(self)
            self._settle(value, error)
            self.attempt.step_done()

    def _settle(self, value: Any, error: BaseException | None) -> None:
        attempt, step = self.attempt, self.step
        if attempt.over:
            return
        try:
            if error is None:
                try:
                    data = step.traits.serde.encode(value)
                except Exception as bad:  # noqa: BLE001 - a serde of the user's
                    # Its effect is done, and would be again.
                    error = Terminal(f"the result of step {step.name!r} {unencodable(bad)}")
                else:
                    attempt.machine.propose_value(step.future, data)
                    return
            goes_on = settle_error(attempt, step, error, self.started_ms)
        except Exception as bad:  # noqa: BLE001 - or the attempt would wait for ever
            fail_attempt(attempt.machine, bad, command=(step.command_index, step.command))
            goes_on = False
        if not goes_on:
            attempt.fail_step()


def settle_error(attempt: Attempt, step: Step, error: BaseException, started_ms: int) -> bool:
    """Propose the failure of a step; False if the attempt was ended to try it again."""
    machine = attempt.machine
    if (terminal := terminal_of(error)) is not None:
        machine.propose_failure(step.future, wire_failure(terminal))
        return True
    tries, spent_ms = 1, attempt.now_ms() - started_ms
    if not machine.fresh_commands:  # it was tried before
        tries += machine.start.retry_count_since_last_stored_entry
        spent_ms += machine.start.duration_since_last_stored_entry
    again = next_try(step.retry, tries, timedelta(milliseconds=spent_ms))
    command = (step.command_index, step.command)
    if again is None and not isinstance(error, RetryAfter | Pause):
        if step.retry is not None and step.retry.on_exhausted == "pause" and machine.version >= 7:
            message = f"{step.name}: {text_of(error)}"
            machine.fail(
                INTERNAL,
                message,
                user_traceback(error),
                behavior=BEHAVIOR_PAUSE,
                command=step.command,
                command_index=step.command_index,
            )
            return False
        text = text_of(error) or type(error).__name__
        machine.propose_failure(step.future, WireFailure(INTERNAL, text))
        return True
    _logger.warning(
        "step %r failed, try %d, invocation %s\n%s",
        step.name,
        tries,
        machine.invocation_id,
        user_traceback(error).rstrip(),
    )
    fail_attempt(machine, error, None if again is None else again.delay, command)
    return False


def _back(loop: Any, call: Any, *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
        pass
