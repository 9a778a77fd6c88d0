"""perdure subscriptions: create, list, describe, update, pause, resume, seek, replay, delete."""

from collections.abc import Callable
from typing import Any

import click

from orchestrator.cli.arguments import Decorated, GivenPairs, force_option, pairs_option
from orchestrator.cli.client import Admin, path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_fields, print_json, print_table

_AT = ("perdure", "v1", "subscriptions")
_POINT = (
    "earliest, latest, a time like 2026-11-26T18:00:00Z, or offsets like 0=100,1=250"
    " (orders/0=100,… with several topics)"
)
_IN_FLIGHT_DEFAULT = 1000
command = Noun("subscriptions", "Topics whose records invoke a handler.")
_which = click.argument("subscription", help="its id or its name")


def _settings(in_flight: int | None, failures: bool | None) -> Callable[[Decorated], Decorated]:
    """Options of those that make and change one, and what they are if they are not given."""

    def add(run: Decorated) -> Decorated:
        for option in (
            pairs_option("--option", "options", "an option of librdkafka"),
            click.option(
                "--dead-letter-failures/--no-dead-letter-failures",
                default=failures,
                help="make a dead letter of what fails terminally",
            ),
            click.option(
                "--max-in-flight",
                type=int,
                default=in_flight,
                metavar="N",
                help="invocations at a time of each partition; 0: no limit"
                f" (default {_IN_FLIGHT_DEFAULT})",
            ),
        ):
            run = option(run)
        return run

    return add


@command.verb("create", "Let the records of topics invoke a handler.")
@click.argument(
    "places",
    nargs=-1,
    required=True,
    metavar="SOURCE… SINK",
    help="CLUSTER/TOPIC, or TOPIC of the log's or the only cluster; at last Service/handler",
)
@click.option(
    "--ingress",
    "by_headers",
    is_flag=True,
    help="no sink: headers of the records name their handlers, as on <cluster>.ingress",
)
@click.option("--name", default="", help="a name for it, given once")
@click.option("--from", "start", metavar="POINT", help=f"{_POINT}; default: latest")
@force_option("also if a topic is missing or no broker answers")
@click.option("--if-absent", is_flag=True, help="leave one of this name as it is, if there is one")
@_settings(_IN_FLIGHT_DEFAULT, False)
def _create(
    asked: Asked,
    places: tuple[str, ...],
    by_headers: bool,
    name: str,
    start: str | None,
    if_absent: bool,
    options: GivenPairs,
    **settings: Any,
) -> int:
    if if_absent:
        there = _of_name(name, asked.admin)
        if there is not None:
            return _said(asked, there, "is there")
    if len(places) == 1 and not by_headers:
        raise CliError("name the sink behind the sources: Service/handler", EXIT_USAGE)
    body = {
        "sources": places if by_headers else places[:-1],
        "sink": "" if by_headers else places[-1],
        "ingress": by_headers,
        "name": name,
        "start": start,
        "options": options,
        **settings,
    }
    return _said(asked, asked.admin.ask("POST", path(*_AT), body), "created")


def _of_name(name: str, admin: Admin) -> dict[str, Any] | None:
    if not name:
        raise CliError("--if-absent asks for a --name", EXIT_USAGE)
    found: list[dict[str, Any]] = admin.get(path(*_AT))["subscriptions"]
    return next((one for one in found if one["name"] == name), None)


@command.verb("list", "All subscriptions, with their lag in records.")
def _list(asked: Asked) -> int:
    found = asked.admin.get(path(*_AT))["subscriptions"]
    if asked.json:
        print_json(found)
        return 0
    names = ("id", "name", "source", "sink", "status", "lag", "reason")
    rows = [[one[name] for name in names] for one in found]
    columns = [name.upper() for name in names]
    nothing = "no subscriptions: perdure subscriptions create TOPIC SERVICE/HANDLER makes one"
    print_table(columns, rows, nothing)
    return 0


@command.verb("describe", "One subscription, with where each of its sources stands.")
@_which
def _describe(asked: Asked, subscription: str) -> int:
    found = asked.admin.get(path(*_AT, subscription))
    if asked.json:
        print_json(found)
        return 0
    starts, sources = found.pop("starts"), found.pop("sources")
    print_fields({name: value for name, value in found.items() if value is not False})
    if starts:
        print()
        rows = [(topic, n, offset) for topic in starts for n, offset in enumerate(starts[topic])]
        shown = [(topic, n, "where it was" if at < 0 else at) for topic, n, at in rows]
        print_table(("TOPIC", "PARTITION", "STARTED AT"), shown, "")
    if sources:
        print()
        names = ("topic", "partition", "position", "end", "lag", "live", "status", "reason")
        columns = [name.upper() for name in names]
        print_table(columns, [[one[name] for name in names] for one in sources], "")
    return 0


@command.verb("update", "Change settings; nothing is read again.")
@_which
@click.option("--name")
@_settings(None, None)
def _update(asked: Asked, subscription: str, options: GivenPairs, **settings: Any) -> int:
    at = path(*_AT, subscription)
    body: dict[str, Any] = settings
    if options:
        body["options"] = asked.admin.get(at)["options"] | options
    return _said(asked, asked.admin.ask("PATCH", at, body), "updated")


@command.verb("pause", "Read nothing more until it is resumed.")
@_which
@click.option("--reason", default="", help="shown until it is resumed")
def _pause(asked: Asked, subscription: str, reason: str) -> int:
    return _do(asked, subscription, "pause", {"reason": reason}, "paused")


@command.verb("resume", "Read on, from where each source stands.")
@_which
@click.option("--past-gap", is_flag=True, help="go past records that are gone, or never were")
def _resume(asked: Asked, subscription: str, past_gap: bool) -> int:
    return _do(asked, subscription, "resume", {"past_gap": past_gap}, "resumed")


@command.verb("seek", "Go to a point, where it is named; a new generation.")
@_which
@click.argument("point", help=_POINT)
@force_option("also if a topic is missing")
def _seek(asked: Asked, subscription: str, point: str, force: bool) -> int:
    return _do(asked, subscription, "seek", {"to": point, "force": force}, "moved")


@command.verb("replay", "Begin again at a point, in all partitions; a new generation.")
@_which
@click.argument("point", help=_POINT)
@force_option("also if a topic is missing")
def _replay(asked: Asked, subscription: str, point: str, force: bool) -> int:
    return _do(asked, subscription, "replay", {"to": point, "force": force}, "begins again")


@command.verb("delete", "End a subscription.")
@_which
def _delete(asked: Asked, subscription: str) -> int:
    at = path(*_AT, subscription)
    identity = asked.admin.get(at)["id"]
    asked.admin.ask("DELETE", at)
    if asked.json:
        print_json({"deleted": identity})
    else:
        print(f"subscription {identity} deleted")
    return 0


def _do(asked: Asked, subscription: str, verb: str, body: dict[str, Any], said: str) -> int:
    view = asked.admin.ask("POST", path(*_AT, subscription, verb), body)
    return _said(asked, view, said)


def _said(asked: Asked, view: dict[str, Any], said: str) -> int:
    if asked.json:
        print_json(view)
        return 0
    sink = view["sink"] or "what the headers name"
    print(f"subscription {view['id']} {said}: {view['source']} -> {sink}")
    if view["undecided"]:
        print(f"no broker answers yet: it starts at {view['undecided']} once one does")
    for topic in view["topics"]:
        if not view["undecided"] and topic not in view["starts"]:
            print(f"there is no topic {topic} yet: it is read from its beginning")
    return 0
