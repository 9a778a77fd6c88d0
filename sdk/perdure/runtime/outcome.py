"""How an attempt ends: what a handler returned or raised, as the server is told of it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from perdure.definitions import HandlerDefinition
from perdure.errors import (
    INTERNAL,
    BadValue,
    ControlFlow,
    Misuse,
    Pause,
    RetryAfter,
    terminal_of,
)
from perdure.failures import wire_failure
from perdure.futures import Sleep
from perdure.invocations import CallFuture
from perdure.misuse import (
    misuse,
    raised_at,
    raised_inside,
    shortened,
    user_traceback,
    warn_at,
    writable,
)
from perdure.replay import Machine, ReplayError
from perdure.steps import Step
from perdure.wire.codes import BEHAVIOR_PAUSE
from perdure.wire.values import WireFailure

_logger = logging.getLogger("perdure")
_MILLISECOND = timedelta(milliseconds=1)


def text_of(error: BaseException) -> str:
    """What an exception says."""
    try:
        return shortened(writable(str(error)))
    except Exception as failed:  # noqa: BLE001 - a user's __str__
        return f"its text cannot be made: {type(failed).__name__}"


def unencodable(error: Exception) -> str:
    """Say why a value has no bytes; a serde of the user's may raise anything."""
    said = text_of(error)
    return said if isinstance(error, BadValue) else f"cannot be encoded: {_titled(error, said)}"


def give_result(machine: Machine, handler: HandlerDefinition, value: Any) -> None:
    """End the invocation with what its handler returned. What cannot be encoded ends it with a
    Terminal: all effects are done, and to try again would make the same."""
    try:
        data = handler.output.encode(value)
    except Exception as error:  # noqa: BLE001 - a serde of the user's
        hint = "; is an await missing?" if inspect.isawaitable(value) else ""
        message = f"the result of {handler.service}/{handler.name} {unencodable(error)}{hint}"
        if inspect.iscoroutine(value):
            value.close()
        _logger.error("%s, invocation %s", message, machine.invocation_id)
        machine.output_failure(WireFailure(INTERNAL, message))
        return
    machine.output(data)


def report(
    machine: Machine,
    handler: HandlerDefinition,
    error: BaseException,
    broken: ReplayError | None = None,
) -> None:
    """End the attempt, or with a Terminal the invocation, with what its handler raised."""
    if broken is not None or isinstance(error, ReplayError):
        cause = broken if broken is not None else error
        assert isinstance(cause, ReplayError)
        machine.failed_by(cause, user_traceback(error))
        _logger.error("%s/%s: %s%s", handler.service, handler.name, cause.message, _lines(error))
    elif (terminal := terminal_of(error)) is not None:
        machine.output_failure(wire_failure(terminal))
    else:
        fail_attempt(machine, error)
        _logger.warning(
            "an attempt of %s/%s failed, invocation %s%s",
            handler.service,
            handler.name,
            machine.invocation_id,
            _lines(error),
        )


def fail_attempt(
    machine: Machine,
    error: BaseException,
    delay: timedelta | None = None,
    command: tuple[int, bytes] | None = None,
) -> None:
    """End the attempt with an error that is retried."""
    behavior = 0
    if isinstance(error, RetryAfter):
        delay = max(error.delay, timedelta(0))
    elif isinstance(error, Pause):
        behavior = BEHAVIOR_PAUSE
    index, frame = command if command is not None else (None, None)
    machine.fail(
        INTERNAL,
        _told(error),
        user_traceback(error),
        retry_delay_ms=None if delay is None else delay // _MILLISECOND,
        behavior=behavior,
        command=frame,
        command_index=index,
    )


def _told(error: BaseException) -> str:
    text = text_of(error)
    if not isinstance(error, Misuse) and raised_inside(error.__traceback__):
        file, line = raised_at(error.__traceback__)
        text += f" ({file}:{line})" if file else ""
    return _titled(error, text)


def _titled(error: BaseException, text: str) -> str:
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _lines(error: BaseException) -> str:
    return "\n" + user_traceback(error).rstrip() if error.__traceback__ is not None else ""


def warn_of_forgotten(
    handler: HandlerDefinition, steps: Iterable[Step], pending: Iterable[object]
) -> None:
    """Warn of what a handler has begun and never waited for."""
    said = [
        f"step {step.name!r} of {{}} was never awaited, so it was not executed"
        for step in steps
        if step.future.forgotten
    ]
    for one in pending:
        if isinstance(one, Sleep) and one.forgotten:
            said.append("a sleep of {} was never awaited, so no time passed")
        elif isinstance(one, CallFuture) and one.forgotten and not one.invocation_id.taken:
            said.append("a call of {} was never awaited: ctx.send is for what nobody waits for")
    for text in said:
        warn_at(text.format(f"{handler.service}/{handler.name}"), handler.file, handler.line)


def used_late() -> BaseException:
    """The error of what uses a context after its attempt."""
    return misuse("this context is used outside its handler, whose attempt is over")


def complain(handler: HandlerDefinition, error: ControlFlow, complaint: str) -> None:
    """Tell of code that did not let control flow pass."""
    file, line = raised_at(error.__traceback__)
    _logger.error(
        "%s/%s swallowed %s (%s): a bare except, or one of BaseException, must raise it again;"
        " it came by %s:%d",
        handler.service,
        handler.name,
        type(error).__name__,
        complaint,
        file,
        line,
    )
