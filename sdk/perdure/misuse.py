"""Where in the user's code something was asked for, and what is wrong with it."""

import asyncio
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final

from perdure.errors import Misuse, MisuseWarning

_OWN: Final = str(Path(__file__).parent) + "/"
_ASYNCIO: Final = str(Path(asyncio.__file__).parent) + "/"

_TEXT_MAX: Final = 32_768  # characters; a server keeps no more either

_warned: Final[dict[str, dict[Any, Any]]] = {}  # by file, as `warnings` keeps it


def is_own(filename: str) -> bool:
    """Whether a file belongs to the SDK rather than to its user."""
    return filename.startswith(_OWN)


def caller() -> tuple[str, int]:
    """File and line of the innermost frame of the user's code that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_own(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "", 0


def misuse(message: str) -> Misuse:
    """A Misuse that names the line of the user's code that is running."""
    return Misuse(message, *caller())


def warn_at(message: str, file: str, line: int) -> None:
    """Warn of a place in the user's code, once."""
    registry = _warned.setdefault(file, {})
    warnings.warn_explicit(message, MisuseWarning, file, line, registry=registry)


def warn_here(message: str, otherwise: tuple[str, int]) -> None:
    """Warn of the line that is running, which may be in a library of the user's, or of another
    place if it is asyncio that runs."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_own(frame.f_code.co_filename):
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename.startswith(_ASYNCIO):
        frame = frame.f_back
    if frame is None or is_own(frame.f_code.co_filename):
        warn_at(message, *otherwise)
    else:
        warn_at(message, frame.f_code.co_filename, frame.f_lineno)


def where_waits(coro: Any) -> tuple[str, int]:
    """File and line of the user's code where a coroutine waits."""
    place = ("", 0)
    while coro is not None:
        frame = getattr(coro, "cr_frame", None)
        if frame is not None and not frame.f_code.co_filename.startswith((_OWN, _ASYNCIO)):
            place = (frame.f_code.co_filename, frame.f_lineno)
        coro = getattr(coro, "cr_await", None)
    return place


def raised_at(trace: TracebackType | None) -> tuple[str, int]:
    """File and line of the user's code where an exception came from."""
    place = ("", 0)
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith((_OWN, _ASYNCIO)):
            place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return place


def raised_inside(trace: TracebackType | None) -> bool:
    """Whether it was the SDK that raised an exception."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and is_own(trace.tb_frame.f_code.co_filename)


def user_traceback(error: BaseException) -> str:
    """The traceback of an exception without the frames of the SDK, as text."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    seen: set[int] = set()
    todo: list[traceback.TracebackException | None] = [shown]
    while todo:
        part = todo.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        kept = [frame for frame in part.stack if not is_own(frame.filename)]
        part.stack = traceback.StackSummary.from_list(kept)
        todo += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]
    return shortened(writable("".join(shown.format())))


def shortened(text: str) -> str:
    """The begin and the end of a long text: an error may hold a whole document, and each attempt
    would log and send it."""
    if len(text) <= _TEXT_MAX:
        return text
    half = _TEXT_MAX // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters]\n{text[-half:]}"


def writable(text: str) -> str:
    """The text with halves of surrogate pairs escaped, which UTF-8 lacks: names of files that
    cannot be decoded have them, and so do the errors about them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
