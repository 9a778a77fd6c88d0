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


def parse_pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """k=v texts of a repeatable option."""
    found = {}
    for text in values or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CliError(f"{option} {text!r}: write {option} NAME=VALUE", 2)
        found[name] = value
    return found
