"""Does today's code still replay a journal that was recorded earlier?

A handler runs against the journal as it would after a crash, but nothing is executed: it is
stopped at the first command that the journal does not hold. No server is needed.
`python -m perdure.replaying journal.json app.py` does it for the app of a file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from perdure.definitions import HandlerDefinition
from perdure.endpoint import Endpoint
from perdure.errors import Misuse
from perdure.misuse import raised_at, where_waits
from perdure.recorded import BadJournal, RecordedJournal, read_journals
from perdure.replay import Machine, ReplayError
from perdure.replay.mismatch import describe
from perdure.runtime.attempt import Attempt
from perdure.steps import Step
from perdure.transports.loading import NoApp, import_traceback, load_app
from perdure.wire.codes import CLOSED, is_command
from perdure.wire.frames import code_of

PATIENCE_S: Final = 30.0
"""How long a handler may take for a replay: it waits for nothing but itself."""
EXIT_FITS: Final = 0
EXIT_DIFFERS: Final = 1
EXIT_BAD_INPUT: Final = 2
_CONTEXT: Final = 3  # commands shown before and after the place where the sides part


@dataclass(slots=True)
class ReplayReport:
    """What became of one replay.

    `made` describes the commands that the code asked for and the journal holds; `wrong` the one
    that did not fit, if any. `message` says why, `file` and `line` where in the user's code.
    """

    journal: RecordedJournal
    fits: bool = False
    message: str = ""
    file: str = ""
    line: int = 0
    made: list[str] = field(default_factory=list)
    wrong: str = ""


def replay_journals(endpoint: Endpoint, journals: Iterable[RecordedJournal]) -> list[ReplayReport]:
    """Replay journals one after the other, on an event loop of its own."""

    async def all_of_them() -> list[ReplayReport]:
        return [await replay_journal(endpoint, one) for one in journals]

    return asyncio.run(all_of_them())


async def replay_journal(endpoint: Endpoint, journal: RecordedJournal) -> ReplayReport:
    """Replay one journal on the running event loop."""
    service = endpoint.services.get(journal.service)
    handler = None if service is None else service.handlers.get(journal.handler)
    report = ReplayReport(journal)
    if handler is None:
        report.message = f"the app has no {journal.service}/{journal.handler} any more"
        return report
    ended = asyncio.Event()
    attempt = _ReplayAttempt(handler, journal.version, report, ended)
    try:
        attempt.feed(journal.request())
        attempt.end_input()
        async with asyncio.timeout(PATIENCE_S):
            await ended.wait()
    except TimeoutError:
        report.message = f"it did not come to the end of the journal within {PATIENCE_S:.0f} s"
    finally:
        attempt.lost()
    return report


class _JournalIsOver(ReplayError):
    """The code asked for something that the journal does not hold: it goes on as it should."""


class _ReplayMachine(Machine):
    """Notes what the code asks for and how it ends; stops it where the journal ends."""

    def __init__(self, version: int, report: ReplayReport) -> None:
        super().__init__(version)
        self._report = report

    def _command(self, whole: bytes) -> None:
        report, name = self._report, describe(whole)
        if self.ready and not self.replaying and self.broken is None:
            report.fits, report.message = True, f"and would go on with {name}"
            raise self.broken_by(_JournalIsOver(CLOSED, report.message))
        try:
            super()._command(whole)
        except ReplayError:
            report.wrong = name
            raise
        report.made.append(name)

    def _end(self) -> None:
        super()._end()
        self._report.fits, self._report.message = True, "to its end"

    def suspend(self, awaiting_on: Any) -> None:
        """The code waits for what the journal does not hold."""
        self._report.fits, self._report.message = True, "and waits"
        super().suspend(awaiting_on)

    def fail(self, code: int, message: str, stacktrace: str = "", **options: Any) -> None:
        """The code raised: before the end of the journal, or when it was over."""
        report = self._report
        if not report.message:
            report.fits = not self.replaying
            begin = "and then fails: " if report.fits else "the code fails: "
            report.message = begin + message
        super().fail(code, message, stacktrace, **options)


class _ReplayAttempt(Attempt):
    """An attempt that executes no step."""

    def __init__(
        self,
        handler: HandlerDefinition,
        version: int,
        report: ReplayReport,
        ended: asyncio.Event,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(handler, version, _drop, ended.set, loop, {})
        self.machine = _ReplayMachine(version, report)
        self._report = report
        self._replayed = ended
        self._why_refused = ""

    def execute(self, step: Step) -> None:
        """A step whose result the journal does not hold: whoever awaits it waits."""

    def fail(self, error: ReplayError, raised: BaseException | None = None) -> None:
        """The journal and the code disagree, or the journal is over."""
        report = self._report
        if not isinstance(error, _JournalIsOver):
            report.fits, report.message = False, error.message
            if self._why_refused:
                report.message = f"{self._why_refused}; {error.message}"
            report.file, report.line = self._place(error, raised)
        self.lost()
        self._replayed.set()

    def _refuse(self, message: str) -> None:
        """The argument is none for the code."""
        self._why_refused = message
        super()._refuse(message)

    def _place(self, error: ReplayError, raised: BaseException | None) -> tuple[str, int]:
        """Where in the user's code it was asked for, or where the handler waits."""
        for one in (error, raised):
            file, line = raised_at(one.__traceback__) if one is not None else ("", 0)
            if line:
                return file, line
        places = (where_waits(fiber.coro) for fiber in self.fibers)
        return next((place for place in places if place[1]), self.place)


def _drop(data: bytes) -> None:
    """What the code would have a server do is in the machine already."""


def shown_report(report: ReplayReport) -> str:
    """A report for people: one line if the journal fits, else both sides where they part."""
    journal = report.journal
    name = f"{journal.target} ({journal.id})"
    if report.fits:
        return f"{name} replays {report.message}"
    place = [f"  at {report.file}:{report.line}"] if report.line else []
    return "\n".join([f"{name} does not replay: {report.message}", *place, *_sides(report)])


def _sides(report: ReplayReport) -> list[str]:
    """The journal around the place where they part, and what the code has there."""
    recorded = [describe(one) for one in report.journal.frames if is_command(code_of(one))]
    at = len(report.made) + 1  # the input is command 0
    lines = []
    for number in range(max(0, at - _CONTEXT), min(at + _CONTEXT, len(recorded))):
        lines.append(f"  {'-' if number == at else ' '} {number} {recorded[number]}")
        if number == at and report.wrong:
            lines.append(f"  + {number} {report.wrong}")
    return lines


def replay_files(paths: Sequence[str], app: str, as_json: bool) -> int:
    """Replay the journals of files with the app that `app` names; returns the exit code."""
    journals: list[RecordedJournal] = []
    for path in paths:
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text()
            journals += read_journals(text)
        except OSError as error:
            return _refused(f"{path} cannot be read: {error.strerror}")
        except (BadJournal, UnicodeDecodeError) as error:
            return _refused(f"{path}: {error}")
    return replay_with(journals, app, as_json)


def replay_with(journals: Sequence[RecordedJournal], app: str, as_json: bool) -> int:
    """Replay journals with the app that `app` names, and print the reports."""
    # What the user's code prints is no report.
    with _without_logs(), contextlib.redirect_stdout(sys.stderr):
        try:
            endpoint = load_app(app).endpoint
        except (NoApp, Misuse) as error:
            return _refused(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a user's module raises
            return _refused(f"{app} cannot be imported\n{import_traceback(error)}")
        reports = replay_journals(endpoint, journals)
    if as_json:
        print(json.dumps([_json(one) for one in reports], indent=2))
    else:
        for one in reports:
            print(shown_report(one))
        bad_count = sum(not one.fits for one in reports)
        print(f"{len(reports)} replayed, {bad_count} of them no longer fit {app}")
    return EXIT_FITS if all(one.fits for one in reports) else EXIT_DIFFERS


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """The SDK logs nothing: the reports say it."""
    logger = logging.getLogger("perdure")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _json(report: ReplayReport) -> dict[str, Any]:
    return {
        "id": report.journal.id,
        "target": report.journal.target,
        "fits": report.fits,
        "message": report.message,
        "file": report.file or None,
        "line": report.line or None,
        "report": shown_report(report),
    }


def _refused(message: str) -> int:
    print(f"perdure replay: {message}", file=sys.stderr)
    return EXIT_BAD_INPUT


def main() -> int:
    """The command of this module."""
    parser = argparse.ArgumentParser(prog="python -m perdure.replaying", description=__doc__)
    parser.add_argument("journals", nargs="+", help="files of perdure invocations export")
    parser.add_argument("app", help="app.py, app.py:name or package.module:name")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    given = parser.parse_args()
    return replay_files(given.journals, given.app, given.json)


if __name__ == "__main__":
    sys.exit(main())
