"""What the commands have in common: nouns, verbs, options that every verb takes."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

from orchestrator.cli.client import Admin, CliError

CommandFunction = Callable[[argparse.Namespace, Admin], int]
Nouns: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def shared_options() -> argparse.ArgumentParser:
    """--admin and --json, before or after the verb."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--admin",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="address of the admin API (or PERDURE_ADMIN; default http://127.0.0.1:9070)",
    )
    shared.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for scripts"
    )
    return shared


class Noun:
    """A noun of the command line; verbs are added to it."""

    def __init__(self, nouns: Nouns, name: str, about: str) -> None:
        parser = nouns.add_parser(name, help=about, description=about)
        self._verbs = parser.add_subparsers(metavar="verb", required=True)
        self._made: dict[str, argparse.ArgumentParser] = {}

    def verb(self, name: str, about: str, run: CommandFunction) -> argparse.ArgumentParser:
        parser = self._verbs.add_parser(
            name, help=about, description=about, parents=[shared_options()]
        )
        parser.set_defaults(run=run)
        self._made[name] = parser
        return parser

    def verbs(self, *names: str) -> list[argparse.ArgumentParser]:
        """Verbs that were added, to give them an argument they share."""
        return [self._made[name] for name in names]


def count_to_show(text: str) -> int:
    """A number of things to show: from 1 to a million."""
    if text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= 1_000_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 1000000")


def wait_seconds(text: str) -> float:
    """A time to wait, in seconds: from 0 to a day."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return value


def parse_pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """k=v texts of a repeatable option."""
    found = {}
    for text in values or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CliError(f"{option} {text!r}: write {option} NAME=VALUE", 2)
        found[name] = value
    return found
