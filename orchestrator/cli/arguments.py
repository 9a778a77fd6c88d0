"""Values of arguments and options: what is taken, and what is said of others."""

import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from orchestrator.cli.exits import EXIT_USAGE, CliError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
GivenPairs = dict[str, str]
_Parameter = click.Parameter | None
_Context = click.Context | None
_DAY_S: Final = 86_400


class Count(click.ParamType[int]):
    """A number of things to show: from 1 to a million."""

    name = "count"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> int:
        text = str(value)
        if text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= 1_000_000:
            return int(text)
        self.fail(f"{text!r} is no whole number from 1 to 1000000", param, ctx)


class Seconds(click.ParamType[float]):
    """A time to wait, in seconds: from 0 to a day."""

    name = "seconds"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> float:
        try:
            found = float(value)
        except ValueError:
            found = -1.0
        if not 0 <= found <= _DAY_S:
            self.fail(f"{value!r} is no number of seconds from 0 to {_DAY_S}", param, ctx)
        return found


class _Pair(click.ParamType[tuple[str, str]]):
    name = "pair"

    def convert(self, value: Any, param: _Parameter, ctx: _Context) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, rest = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r}: write NAME=VALUE", param, ctx)
        return name, rest


def _as_options(_: click.Context, __: click.Parameter, given: Any) -> GivenPairs:
    return dict(given or ())


def pairs_option(flag: str, name: str, about: str) -> Callable[[Decorated], Decorated]:
    """An option that is given again and again: a dict by NAME."""
    return click.option(
        flag,
        name,
        multiple=True,
        type=_Pair(),
        metavar="NAME=VALUE",
        callback=_as_options,
        help=about,
    )


def given_text(given: str) -> str:
    """What an argument says, of which - stands for stdin; CliError for what is not UTF-8."""
    try:
        return sys.stdin.read() if given == "-" else given
    except UnicodeDecodeError as error:
        raise CliError(f"the input is not UTF-8: {error}", EXIT_USAGE) from None


def limit_option(default: int, about: str = "how many at most") -> Callable[[Decorated], Decorated]:
    """--limit."""
    return click.option(
        "--limit",
        type=Count(),
        default=default,
        metavar="N",
        show_default=True,
        help=about,
    )


def force_option(about: str) -> Callable[[Decorated], Decorated]:
    """--force; `about` says what it does all the same."""
    return click.option("--force", is_flag=True, help=about)
