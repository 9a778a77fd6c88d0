"""perdure feeds: which public feeds are on; enable, disable."""

import argparse
from typing import Any

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError, path
from orchestrator.cli.output import print_json
from orchestrator.cli.parsing import Noun, Nouns

_AT = ("perdure", "v1", "feeds")


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "feeds", "public topics of what happens: invocations, changes of state")
    noun.verb("list", "The feeds that are on.", _list)
    noun.verb("enable", "Publish a feed.", _enable)
    noun.verb("disable", "Publish a feed no more.", _disable)
    for verb in noun.verbs("enable", "disable"):
        verb.add_argument("feed", choices=["events", "state"])
        verb.add_argument("service", nargs="?", help="whose state; events have none")

    enable = noun.verbs("enable")[0]
    enable.add_argument("--force", action="store_true", help="also if its topic is missing")


def _list(args: argparse.Namespace, admin: Admin) -> int:
    return _show(args, admin.get(path(*_AT)))


def _enable(args: argparse.Namespace, admin: Admin) -> int:
    return _show(args, admin.ask("PUT", _place(args) + ("?force=true" if args.force else "")))


def _disable(args: argparse.Namespace, admin: Admin) -> int:
    return _show(args, admin.ask("DELETE", _place(args)))


def _place(args: argparse.Namespace) -> str:
    if args.feed == "events":
        if args.service:
            raise CliError("events are of all services: leave the service out", EXIT_USAGE)
        return path(*_AT, "events")
    if not args.service:
        raise CliError("say of which service the state is published", EXIT_USAGE)
    return path(*_AT, "state", args.service)


def _show(args: argparse.Namespace, feeds: dict[str, Any]) -> int:
    if args.json:
        print_json(feeds)
        return 0
    print(f"events: {'on' if feeds['events'] else 'off'}")
    print(f"state: {', '.join(feeds['state']) or 'off'}")
    return 0
