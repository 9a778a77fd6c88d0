"""perdure kafka-clusters: create, list, describe, update, delete."""

import argparse
from typing import Any

from orchestrator.cli.client import Admin, CliError, path
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns, parse_pairs

_OPTION = (
    "an option of librdkafka; ${VARIABLE} and ${file:/path} are looked up where the server runs"
)


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "kafka-clusters", "Kafka clusters that topics are read from and sent to")
    create = noun.verb("create", "Make a Kafka cluster known by a name.", _create)
    create.add_argument("name")
    update = noun.verb("update", "Change options of a Kafka cluster.", _update)
    update.add_argument("name")
    update.add_argument("--unset", action="append", metavar="NAME", help="leave this option out")
    for verb in (create, update):
        verb.add_argument("--bootstrap", metavar="HOST:PORT,…", help="some of its brokers")
        verb.add_argument("--option", action="append", metavar="NAME=VALUE", help=_OPTION)
        verb.add_argument("--force", action="store_true", help="also if no broker answers")
    noun.verb("list", "All Kafka clusters.", _list)
    describe = noun.verb("describe", "One Kafka cluster and its subscriptions.", _describe)
    describe.add_argument("name")
    take_over = noun.verb("take-over", "Use the ledger of a log that is gone for ever.", _take_over)
    take_over.add_argument("name")
    take_over.add_argument("log", help="its identity, as sys_lane and the server's log name it")
    delete = noun.verb("delete", "Forget a Kafka cluster that no subscription uses.", _delete)
    delete.add_argument("name")
    delete.add_argument("--force", action="store_true", help="wait for nothing that is to be sent")


def _given(args: argparse.Namespace) -> dict[str, str]:
    options = parse_pairs(args.option, "--option")
    if args.bootstrap:
        options["bootstrap.servers"] = args.bootstrap
    return options


def _create(args: argparse.Namespace, admin: Admin) -> int:
    body = {"name": args.name, "properties": _given(args), "force": args.force}
    made = admin.ask("POST", "/kafka-clusters", body)
    _say(args, made, f"Kafka cluster {args.name} is known now")
    return 0


def _update(args: argparse.Namespace, admin: Admin) -> int:
    at = path("kafka-clusters", args.name)
    options: dict[str, str] = admin.get(at)["properties"]
    for name in args.unset or []:
        if options.pop(name, None) is None:
            raise CliError(f"{args.name} has no option {name}")
    body = {"properties": options | _given(args), "force": args.force}
    made = admin.ask("PATCH", at, body)
    _say(args, made, f"Kafka cluster {args.name} is reached by these options now")
    return 0


def _say(args: argparse.Namespace, cluster: dict[str, Any], said: str) -> None:
    if args.json:
        print_json(cluster)
        return
    known = cluster.get("kafka_cluster_id")
    print(
        f"{said}: its brokers are of {known}" if known else f"{said}; its brokers were not reached"
    )


def _list(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get("/kafka-clusters")["clusters"]
    if args.json:
        print_json(found)
        return 0
    rows = [
        (
            one["name"],
            _brokers(one),
            len(one["properties"]),
            one["created_at"],
            one.get("reason", ""),
        )
        for one in found
    ]
    columns = ("NAME", "BROKERS", "OPTIONS", "CREATED", "REASON")
    print_table(columns, rows, "no Kafka clusters: perdure kafka-clusters create makes one known")
    return 0


def _brokers(cluster: dict[str, Any]) -> str | None:
    options = cluster["properties"]
    found: str | None = options.get("bootstrap.servers") or options.get("metadata.broker.list")
    return found


def _describe(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(path("kafka-clusters", args.name))
    if args.json:
        print_json(found)
        return 0
    print_fields({name: value for name, value in found.items() if isinstance(value, str)})
    print()
    print_fields(found["properties"])
    if found["subscriptions"]:
        print()
        rows = [(one["id"], one["source"], one["sink"]) for one in found["subscriptions"]]
        print_table(("SUBSCRIPTION", "SOURCE", "SINK"), rows, "")
    return 0


def _delete(args: argparse.Namespace, admin: Admin) -> int:
    admin.ask("DELETE", path("kafka-clusters", args.name) + ("?force=true" if args.force else ""))
    if args.json:
        print_json({"deleted": args.name})
    else:
        print(f"Kafka cluster {args.name} is forgotten")
    return 0


def _take_over(args: argparse.Namespace, admin: Admin) -> int:
    at = path("perdure", "v1", "kafka-clusters", args.name, "take-over")
    admin.ask("POST", at, {"log": args.log})
    if args.json:
        print_json({"taken_over": args.log})
    else:
        print(f"what is to be sent to {args.name} goes on within a minute")
    return 0
