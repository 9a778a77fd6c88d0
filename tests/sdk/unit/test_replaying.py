"""Recorded journals meet today's code: what still replays, what does not, and where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.endpoint import Endpoint
from perdure.recorded import BadJournal, RecordedJournal, read_journals
from perdure.replaying import ReplayReport, main, replay_journals, shown_report
from perdure.service import definition_of
from perdure.wire import codes
from perdure.wire.ids import invocation_id_to_str
from tests.sdk.unit.engine import ID, Invocation

_executed: list[str] = []


def note(text: str) -> str:
    _executed.append(text)
    return text


async def before(ctx: perdure.Context, name: str) -> str:
    first = await ctx.step(note, f"one {name}", name="one")
    await ctx.sleep(timedelta(days=1))
    second = await ctx.step(note, f"two {name}", name="two")
    return f"{first}, {second}"


async def same_in_another_way(ctx: perdure.Context, name: str) -> str:
    parts = [await ctx.step(note, f"one {name}", name="one")]
    await ctx.sleep(timedelta(days=9))
    parts.append(await ctx.step(note, f"other {name}", name="two"))
    return ", ".join(parts)


async def renamed(ctx: perdure.Context, name: str) -> str:
    first = await ctx.step(note, f"one {name}", name="one")
    await ctx.sleep(timedelta(days=1))
    second = await ctx.step(note, f"two {name}", name="deux")  # renamed
    return f"{first}, {second}"


async def no_longer_sleeps(ctx: perdure.Context, name: str) -> str:
    first = await ctx.step(note, f"one {name}", name="one")
    return first


async def raises(ctx: perdure.Context, name: str) -> str:
    await ctx.step(note, f"one {name}", name="one")
    raise ValueError("not written yet")


async def waits_for_more(ctx: perdure.Context, name: str) -> str:
    first = await ctx.step(note, f"one {name}", name="one")
    await ctx.awakeable(str)  # waits here
    await ctx.sleep(timedelta(days=1))
    return first


async def gives_another_result(ctx: perdure.Context, name: str) -> str:
    return (await before(ctx, name)).upper()


def plain(ctx: perdure.SyncContext, name: str) -> str:
    first = ctx.step(note, f"one {name}", name="one")
    ctx.sleep(timedelta(days=1))
    second = ctx.step(note, f"two {name}", name="two")
    return f"{first}, {second}"


def endpoint_of(handler: Callable[..., Any]) -> Endpoint:
    service = perdure.Service("Greeter")
    service.handler(name="greet")(handler)
    return Endpoint([service])


def recorded(entries: int | None = None, version: int = 7) -> RecordedJournal:
    """The journal that `before` writes; whole, or as it was with so many entries."""
    service = perdure.Service("Greeter")
    service.handler(name="greet")(before)
    one = Invocation(definition_of(service).handlers["greet"], b'"Ann"', version)
    asyncio.run(one.run())
    frames = tuple(one.journal[:entries])
    name = invocation_id_to_str(ID)
    return RecordedJournal(name, "Greeter/greet", "Greeter", "greet", "", version, 42, None, frames)


def replayed(handler: Callable[..., Any], journal: RecordedJournal) -> ReplayReport:
    _executed.clear()
    (report,) = replay_journals(endpoint_of(handler), [journal])
    assert _executed == [], "a replay executes nothing"
    return report


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("handler", [before, same_in_another_way, plain])
def test_code_that_asks_for_the_same_replays(handler: Callable[..., Any], version: int) -> None:
    journal = recorded(version=version)
    if handler is same_in_another_way:  # what its steps returned is in the journal
        assert codes.COMMAND_NAMES[codes.OUTPUT] == "Output"
    assert replayed(handler, journal).message == "to its end"
    for entries in range(1, len(journal.frames)):
        report = replayed(handler, recorded(entries, version))
        assert report.fits, (entries, report.message)
        assert report.message.startswith(("and would go on with ", "and waits"))


def test_a_renamed_step_is_shown_with_its_line() -> None:
    report = replayed(renamed, recorded())
    assert not report.fits
    assert report.file == __file__
    assert report.line == line_of("# renamed")
    shown = shown_report(report)
    assert "  - 3 Run 'two'\n  + 3 Run 'deux'" in shown
    assert f"at {__file__}:{report.line}" in shown
    assert "    2 Sleep" in shown


def test_what_is_left_out_and_what_is_raised_too_early() -> None:
    report = replayed(no_longer_sleeps, recorded())
    assert not report.fits
    assert "  - 2 Sleep\n  + 2 Output" in shown_report(report)
    assert report.line == line_of("async def no_longer_sleeps")
    report = replayed(raises, recorded())
    assert not report.fits and "ValueError: not written yet" in report.message


async def takes_a_number(ctx: perdure.Context, number: int) -> str:
    return await before(ctx, str(number))


def test_an_argument_that_no_longer_fits_is_why() -> None:
    report = replayed(takes_a_number, recorded())
    assert not report.fits
    assert "the argument does not fit Greeter/greet: Expected `int`, got `str`" in report.message
    assert (report.file, report.line) == (__file__, line_of("async def takes_a_number"))


def test_code_that_fails_after_the_journal_replays_it() -> None:
    report = replayed(raises, recorded(3))
    assert report.fits
    assert report.message == "and then fails: ValueError: not written yet"


def test_code_that_waits_where_the_journal_went_on() -> None:
    report = replayed(waits_for_more, recorded())
    assert not report.fits
    assert "waits for a result that the journal does not hold" in report.message
    assert report.line == line_of("# waits here")


def test_another_result_is_shown() -> None:
    report = replayed(gives_another_result, recorded())
    assert not report.fits
    assert "ONE ANN" in report.message


def test_a_handler_that_is_gone() -> None:
    service = perdure.Service("Greeter")
    service.handler(name="greets")(before)
    (report,) = replay_journals(Endpoint([service]), [recorded()])
    assert not report.fits and "no Greeter/greet any more" in report.message


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", '{"format": "perdure-journal/2"}', '{"format": "perdure-journal/1"}', "[1]"],
)
def test_what_is_no_journal_is_refused(text: str) -> None:
    with pytest.raises(BadJournal):
        read_journals(text)


def test_the_command_without_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "j.json").write_text(json.dumps({"format": "other"}))
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "j.json"), "app.py"])
    assert main() == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'j.json'}: " in said and "its format is not 'perdure-journal/1'" in said
    monkeypatch.setattr("sys.argv", ["x", "nothing.json", "app.py"])
    assert main() == 2
    assert "nothing.json cannot be read: No such file" in capsys.readouterr().err
