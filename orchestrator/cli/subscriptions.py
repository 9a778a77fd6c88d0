"""perdure subscriptions: create, list, describe, update, pause, resume, seek, replay, delete."""

import argparse
from typing import Any

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError, path
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns, parse_pairs

_AT = ("perdure", "v1", "subscriptions")
_POINT = (
    "earliest, latest, a time like 2026-11-26T18:00:00Z, or offsets like 0=100,1=250"
    " (orders/0=100,… with several topics)"
)


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "subscriptions", "topics whose records invoke a handler")
    _add_create(noun)
    noun.verb("list", "All subscriptions, with their lag in records.", _list)
    noun.verb("describe", "One subscription, with where each of its sources stands.", _describe)
    update = noun.verb("update", "Change settings; nothing is read again.", _update)
    noun.verb("pause", "Read nothing more until it is resumed.", _pause)
    noun.verb("resume", "Read on, from where each source stands.", _resume)
    noun.verb("seek", "Go to a point, where it is named; a new generation.", _seek)
    noun.verb("replay", "Begin again at a point, in all partitions; a new generation.", _replay)
    noun.verb("delete", "End a subscription.", _delete)
    every = ("describe", "update", "pause", "resume", "seek", "replay", "delete")
    for verb in noun.verbs(*every):
        verb.add_argument("subscription", help="its id or its name")
    for verb in noun.verbs("seek", "replay"):
        verb.add_argument("point", help=_POINT)
        verb.add_argument("--force", action="store_true", help="also if a topic is missing")
    pause, resume = noun.verbs("pause", "resume")
    pause.add_argument("--reason", default="", help="shown until it is resumed")
    resume.add_argument(
        "--past-gap", action="store_true", help="go past records that are gone, or never were"
    )
    update.add_argument("--name")
    _add_settings(update, None)


def _add_create(noun: Noun) -> None:
    create = noun.verb("create", "Let the records of topics invoke a handler.", _create)
    create.usage = "perdure subscriptions create SOURCE… SINK [options]"
    create.add_argument(
        "places",
        nargs="+",
        metavar="SOURCE… SINK",
        help="CLUSTER/TOPIC, or TOPIC of the log's or the only cluster; at last Service/handler",
    )
    create.add_argument(
        "--ingress",
        action="store_true",
        help="no sink: headers of the records name their handlers, as on <cluster>.ingress",
    )
    create.add_argument("--name", default="", help="a name for it, given once")
    create.add_argument("--from", dest="start", metavar="POINT", help=f"{_POINT}; default: latest")
    create.add_argument(
        "--force", action="store_true", help="also if a topic is missing or no broker answers"
    )
    create.add_argument(
        "--if-absent", action="store_true", help="leave one of this name as it is, if there is one"
    )
    _add_settings(create, 1000)


def _add_settings(verb: argparse.ArgumentParser, limit: int | None) -> None:
    verb.add_argument(
        "--max-in-flight",
        type=int,
        default=limit,
        metavar="N",
        help="invocations at a time of each partition; 0: no limit (default 1000)",
    )
    verb.add_argument(
        "--dead-letter-failures",
        action=argparse.BooleanOptionalAction,
        default=None if limit is None else False,
        help="make a dead letter of what fails terminally",
    )
    verb.add_argument(
        "--option", action="append", metavar="NAME=VALUE", help="an option of librdkafka"
    )


def _create(args: argparse.Namespace, admin: Admin) -> int:
    if args.if_absent:
        there = _of_name(args.name, admin)
        if there is not None:
            return _said(args, there, "is there")
    if len(args.places) == 1 and not args.ingress:
        raise CliError("name the sink behind the sources: Service/handler", EXIT_USAGE)
    body = {
        "sources": args.places if args.ingress else args.places[:-1],
        "sink": "" if args.ingress else args.places[-1],
        "ingress": args.ingress,
        "name": args.name,
        "start": args.start,
        "options": parse_pairs(args.option, "--option"),
        "max_in_flight": args.max_in_flight,
        "dead_letter_failures": args.dead_letter_failures,
        "force": args.force,
    }
    return _said(args, admin.ask("POST", path(*_AT), body), "created")


def _of_name(name: str, admin: Admin) -> dict[str, Any] | None:
    if not name:
        raise CliError("--if-absent asks for a --name", EXIT_USAGE)
    found: list[dict[str, Any]] = admin.get(path(*_AT))["subscriptions"]
    return next((one for one in found if one["name"] == name), None)


def _update(args: argparse.Namespace, admin: Admin) -> int:
    at = path(*_AT, args.subscription)
    body: dict[str, Any] = {
        "name": args.name,
        "max_in_flight": args.max_in_flight,
        "dead_letter_failures": args.dead_letter_failures,
    }
    if args.option:
        known = admin.get(at)["options"]
        body["options"] = known | parse_pairs(args.option, "--option")
    return _said(args, admin.ask("PATCH", at, body), "updated")


def _pause(args: argparse.Namespace, admin: Admin) -> int:
    return _do(args, admin, "pause", {"reason": args.reason}, "paused")


def _resume(args: argparse.Namespace, admin: Admin) -> int:
    return _do(args, admin, "resume", {"past_gap": args.past_gap}, "resumed")


def _seek(args: argparse.Namespace, admin: Admin) -> int:
    return _do(args, admin, "seek", {"to": args.point, "force": args.force}, "moved")


def _replay(args: argparse.Namespace, admin: Admin) -> int:
    return _do(args, admin, "replay", {"to": args.point, "force": args.force}, "begins again")


def _do(args: argparse.Namespace, admin: Admin, verb: str, body: dict[str, Any], said: str) -> int:
    return _said(args, admin.ask("POST", path(*_AT, args.subscription, verb), body), said)


def _said(args: argparse.Namespace, view: dict[str, Any], said: str) -> int:
    if args.json:
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


def _list(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(path(*_AT))["subscriptions"]
    if args.json:
        print_json(found)
        return 0
    names = ("id", "name", "source", "sink", "status", "lag", "reason")
    rows = [[one[name] for name in names] for one in found]
    columns = [name.upper() for name in names]
    print_table(columns, rows, "no subscriptions: perdure subscriptions create makes one")
    return 0


def _describe(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(path(*_AT, args.subscription))
    if args.json:
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


def _delete(args: argparse.Namespace, admin: Admin) -> int:
    at = path(*_AT, args.subscription)
    identity = admin.get(at)["id"]
    admin.ask("DELETE", at)
    if args.json:
        print_json({"deleted": identity})
    else:
        print(f"subscription {identity} deleted")
    return 0
