"""perdure feeds: which public feeds are on; enable, disable."""

from typing import Any

import click

from orchestrator.cli.arguments import Decorated, force_option
from orchestrator.cli.client import path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_json

_AT = ("perdure", "v1", "feeds")
command = Noun("feeds", "Public topics of what happens: invocations, changes of state.")


def _feed(run: Decorated) -> Decorated:
    """Its arguments."""
    service = click.argument("service", default="", help="whose state; events have none")
    feeds = click.Choice(["events", "state"])
    return click.argument("feed", type=feeds, metavar="events|state")(service(run))


@command.verb("list", "The feeds that are on.")
def _list(asked: Asked) -> int:
    return _show(asked, asked.admin.get(path(*_AT)))


@command.verb("enable", "Publish a feed.")
@_feed
@force_option("also if its topic is missing")
def _enable(asked: Asked, feed: str, service: str, force: bool) -> int:
    at = _place(feed, service) + ("?force=true" if force else "")
    return _show(asked, asked.admin.ask("PUT", at))


@command.verb("disable", "Publish a feed no more.")
@_feed
def _disable(asked: Asked, feed: str, service: str) -> int:
    return _show(asked, asked.admin.ask("DELETE", _place(feed, service)))


def _place(feed: str, service: str) -> str:
    if feed == "events":
        if service:
            raise CliError("events are of all services: leave the service out", EXIT_USAGE)
        return path(*_AT, "events")
    if not service:
        raise CliError("say of which service the state is published", EXIT_USAGE)
    return path(*_AT, "state", service)


def _show(asked: Asked, feeds: dict[str, Any]) -> int:
    if asked.json:
        print_json(feeds)
        return 0
    print(f"events: {'on' if feeds['events'] else 'off'}")
    print(f"state: {', '.join(feeds['state']) or 'off'}")
    return 0
