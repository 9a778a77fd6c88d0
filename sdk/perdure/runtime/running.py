"""Steps that are being executed: in place, as tasks of the event loop, or in threads."""

from __future__ import annotations

import inspect
import logging
from asyncio import CancelledError, Task
from contextvars import copy_context
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from perdure.context import current
from perdure.errors import Pause, RetryAfter, Terminal
from perdure.misuse import user_traceback
from perdure.runtime.fiber import coroutine_of
from perdure.runtime.outcome import fail_attempt, wire_failure
from perdure.runtime.threads import threads
from perdure.steps import Step, next_try
from perdure.wire.codes import BEHAVIOR_PAUSE, INTERNAL
from perdure.wire.values import WireFailure

if TYPE_CHECKING:
    from perdure.runtime.attempt import Attempt

_logger = logging.getLogger("perdure")


def start_step(attempt: Attempt, step: Step) -> None:
    """Execute a step; its result is proposed when it has ended."""
    if step.inline:
        attempt.machine.propose_value(step.future, step.traits.serde.encode(step.fn(*step.args)))
        attempt.step_done()
        return
    run = StepRun(attempt, step)
    attempt.running.add(run)
    if step.traits.is_async:
        run.start_task(None)
    else:
        run.start_thread()


class StepRun:
    """One execution of a step."""

    __slots__ = ("_attempt", "_started_ms", "_step", "_task", "_variables")

    def __init__(self, attempt: Attempt, step: Step) -> None:
        self._attempt = attempt
        self._step = step
        self._task: Task[Any] | None = None
        self._variables = copy_context()
        self._variables.run(current.set, None)
        self._started_ms = attempt.now_ms()

    def start_task(self, awaitable: Any) -> None:
        """Run an `async def` function, or await what a plain one returned, as a task."""
        step = self._step
        if awaitable is None:
            try:
                awaitable = self._variables.run(step.fn, *step.args, **step.kwargs)
            except BaseException as error:  # noqa: BLE001
                self._end(None, error)
                return
        coro = awaitable if inspect.iscoroutine(awaitable) else coroutine_of(awaitable)
        self._task = self._attempt.loop.create_task(coro, context=self._variables)
        self._task.add_done_callback(self._task_done)

    def _task_done(self, task: Task[Any]) -> None:
        if task.cancelled():
            self._end(None, CancelledError())
            return
        error = task.exception()
        self._end(None if error is not None else task.result(), error)

    def start_thread(self) -> None:
        """Run a plain function in a thread."""
        threads.run(self._variables, self._work)

    def _work(self) -> None:
        step, loop = self._step, self._attempt.loop
        try:
            value = step.fn(*step.args, **step.kwargs)
        except BaseException as error:  # noqa: BLE001
            _back(loop, self._end, None, error)
        else:
            _back(loop, self._returned, value)

    def _returned(self, value: Any) -> None:
        if inspect.isawaitable(value):
            # The thread may not have left its context yet, and only one can be in it.
            self._variables = self._variables.copy()
            self.start_task(value)
        else:
            self._end(value, None)

    def abandon(self) -> None:
        """The attempt is over: stop what can be stopped."""
        if self._task is not None:
            self._task.cancel()

    def _end(self, value: Any, error: BaseException | None) -> None:
        attempt = self._attempt
        if self not in attempt.running:
            return
        attempt.running.discard(self)
        if error is None:
            try:
                data = self._step.traits.serde.encode(value)
            except (ValueError, TypeError) as bad:  # its effect is done, and would be again
                error = Terminal(f"the result of step {self._step.name!r} {bad}")
            else:
                attempt.machine.propose_value(self._step.future, data)
        if error is not None and not settle_error(attempt, self._step, error, self._started_ms):
            attempt.fail_step()
            return
        attempt.step_done()


def settle_error(attempt: Attempt, step: Step, error: BaseException, started_ms: int) -> bool:
    """Propose the failure of a step; False if the attempt was ended to try it again."""
    machine = attempt.machine
    if isinstance(error, Terminal):
        machine.propose_failure(step.future, wire_failure(error))
        return True
    tries, spent_ms = 1, attempt.now_ms() - started_ms
    if not machine.fresh_commands:  # it was tried before
        tries += machine.start.retry_count_since_last_stored_entry
        spent_ms += machine.start.duration_since_last_stored_entry
    again = next_try(step.retry, tries, timedelta(milliseconds=spent_ms))
    command = (step.command_index, step.command)
    if again is None and not isinstance(error, RetryAfter | Pause):
        if step.retry is not None and step.retry.on_exhausted == "pause" and machine.version >= 7:
            message = f"{step.name}: {error}"
            machine.fail(
                INTERNAL,
                message,
                user_traceback(error),
                behavior=BEHAVIOR_PAUSE,
                command=step.command,
                command_index=step.command_index,
            )
            return False
        text = str(error) or type(error).__name__
        machine.propose_failure(step.future, WireFailure(INTERNAL, text))
        return True
    _logger.warning(
        "step %r failed, try %d, invocation %s\n%s",
        step.name,
        tries,
        machine.start.debug_id,
        user_traceback(error).rstrip(),
    )
    fail_attempt(machine, error, None if again is None else again.delay, command)
    return False


def _back(loop: Any, call: Any, *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
        pass
