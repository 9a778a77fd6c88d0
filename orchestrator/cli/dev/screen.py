"""What `perdure dev` shows: one line for each attempt that ended, and what goes wrong."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from orchestrator.cli.output import coloured, drop_output, is_coloured
from orchestrator.invoker.telling import ENDED_LINE, FAILED_LINE
from orchestrator.runtime.logs import log_by, logger_of

_TARGET_CHARS: Final = 32
_REASON_CHARS: Final = 400
_HOW: Final = {"completed": "good", "suspended": "quiet", "dropped": "quiet"}


class Screen(logging.Handler):
    """Lines for people. As a handler of the log it shows the lines of attempts in its own way."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stdout
        self._is_coloured = is_coloured(self._stream)
        self._is_read = True
        self.when_unread: Callable[[], object] = lambda: None
        """Called once, when nobody reads the lines any more (`| head`)."""

    def say(self, text: str, how: str = "") -> None:
        """A line, or several."""
        if not self._is_read:
            return
        try:
            self._stream.write(f"{coloured(text, how) if self._is_coloured else text}\n")
            self._stream.flush()
        except BrokenPipeError:
            self._is_read = False
            drop_output()
            self.when_unread()

    def timed(self, text: str, how: str = "") -> None:
        """A line that begins with the time."""
        self.say(f"{time.strftime('%H:%M:%S')}  {text}", how)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record of the log."""
        args = record.args if isinstance(record.args, tuple) else ()
        if record.msg == ENDED_LINE:
            ending, identity, target, _, took_ms = args
            how = (
                "bad" if "failure" in str(ending) else "good" if ending == "completed" else "quiet"
            )
            self.timed(f"{target!s:<{_TARGET_CHARS}}  {ending}, {took_ms} ms  {identity}", how)
        elif record.msg == FAILED_LINE:
            identity, target, _, code, then, reason = args
            text = " ".join(str(reason).split())[:_REASON_CHARS]
            self.timed(f"{target!s:<{_TARGET_CHARS}}  failed, {then}  {identity}", "bad")
            self.say(f"          {code}: {text}", "bad")
        elif record.levelno >= logging.WARNING:
            how = "bad" if record.levelno >= logging.ERROR else ""
            self.timed(f"{logger_of(record.name)}: {record.getMessage()}", how)


def show_log_on(screen: Screen, level: str) -> None:
    """Everything that is logged from now on goes to the screen; `level` is that of the rest."""
    log_by(screen, level)
    logging.getLogger("perdure.invoker").setLevel(logging.DEBUG)
