"""perdure kafka-clusters: create, list, describe, update, take-over, delete."""

from typing import Any

import click

from orchestrator.cli.arguments import Decorated, GivenPairs, force_option, pairs_option
from orchestrator.cli.client import path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import CliError
from orchestrator.cli.output import print_fields, print_json, print_table

_OPTION = (
    "an option of librdkafka; ${VARIABLE} and ${file:/path} are looked up where the server runs"
)
command = Noun("kafka-clusters", "Kafka clusters that topics are read from and sent to.")
_name = click.argument("name")


def _reached_by(run: Decorated) -> Decorated:
    """How its brokers are reached."""
    for option in (
        force_option("also if no broker answers"),
        pairs_option("--option", "options", _OPTION),
        click.option("--bootstrap", metavar="HOST:PORT,…", help="some of its brokers"),
    ):
        run = option(run)
    return run


def _given(options: GivenPairs, bootstrap: str | None) -> GivenPairs:
    return options | ({"bootstrap.servers": bootstrap} if bootstrap else {})


@command.verb("create", "Make a Kafka cluster known by a name.")
@_name
@_reached_by
def _create(
    asked: Asked, name: str, bootstrap: str | None, options: GivenPairs, force: bool
) -> int:
    body = {"name": name, "properties": _given(options, bootstrap), "force": force}
    made = asked.admin.ask("POST", "/kafka-clusters", body)
    _say(asked, made, f"Kafka cluster {name} is known now")
    return 0


@command.verb("update", "Change options of a Kafka cluster.")
@_name
@_reached_by
@click.option("--unset", multiple=True, metavar="NAME", help="leave this option out")
def _update(
    asked: Asked,
    name: str,
    bootstrap: str | None,
    options: GivenPairs,
    force: bool,
    unset: tuple[str, ...],
) -> int:
    at = path("kafka-clusters", name)
    known: GivenPairs = asked.admin.get(at)["properties"]
    for one in unset:
        if known.pop(one, None) is None:
            raise CliError(f"{name} has no option {one}")
    body = {"properties": known | _given(options, bootstrap), "force": force}
    made = asked.admin.ask("PATCH", at, body)
    _say(asked, made, f"Kafka cluster {name} is reached by these options now")
    return 0


def _say(asked: Asked, cluster: dict[str, Any], said: str) -> None:
    if asked.json:
        print_json(cluster)
        return
    known = cluster.get("kafka_cluster_id")
    print(
        f"{said}: its brokers are of {known}" if known else f"{said}; its brokers were not reached"
    )


@command.verb("list", "All Kafka clusters.")
def _list(asked: Asked) -> int:
    found = asked.admin.get("/kafka-clusters")["clusters"]
    if asked.json:
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
    nothing = (
        "no Kafka clusters: perdure kafka-clusters create NAME --bootstrap HOST:PORT makes one"
        " known"
    )
    print_table(columns, rows, nothing)
    return 0


def _brokers(cluster: dict[str, Any]) -> str | None:
    options = cluster["properties"]
    found: str | None = options.get("bootstrap.servers") or options.get("metadata.broker.list")
    return found


@command.verb("describe", "One Kafka cluster and its subscriptions.")
@_name
def _describe(asked: Asked, name: str) -> int:
    found = asked.admin.get(path("kafka-clusters", name))
    if asked.json:
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


@command.verb("take-over", "Use the ledger of a log that is gone for ever.")
@_name
@click.argument("log", help="its identity, as sys_lane and the server's log name it")
def _take_over(asked: Asked, name: str, log: str) -> int:
    at = path("perdure", "v1", "kafka-clusters", name, "take-over")
    asked.admin.ask("POST", at, {"log": log})
    if asked.json:
        print_json({"taken_over": log})
    else:
        print(f"what is to be sent to {name} goes on within a minute")
    return 0


@command.verb("delete", "Forget a Kafka cluster that no subscription uses.")
@_name
@force_option("wait for nothing that is to be sent")
def _delete(asked: Asked, name: str, force: bool) -> int:
    asked.admin.ask("DELETE", path("kafka-clusters", name) + ("?force=true" if force else ""))
    if asked.json:
        print_json({"deleted": name})
    else:
        print(f"Kafka cluster {name} is forgotten")
    return 0
