"""perdure services: list, describe, patch, openapi."""

from contextlib import AbstractContextManager
from typing import Any

import click

from orchestrator.cli.arguments import Decorated
from orchestrator.cli.client import path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.near import hinting, service_meant
from orchestrator.cli.output import print_fields, print_json, print_table

_OPTIONS = (
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
)
command = Noun("services", "What is deployed, by name.")
_name = click.argument("name")


def _durations(run: Decorated) -> Decorated:
    for option in reversed(_OPTIONS):
        flag = f"--{option.replace('_', '-')}"
        run = click.option(flag, metavar="DURATION", help="like 90s, 2h, 7d")(run)
    return run


def _known(asked: Asked, name: str) -> AbstractContextManager[None]:
    return hinting(lambda: service_meant(asked.admin, name))


@command.verb("list", "The latest revision of every service.")
def _list(asked: Asked) -> int:
    found = asked.admin.get("/services")["services"]
    if asked.json:
        print_json(found)
        return 0
    rows = [
        (
            one["name"],
            one["ty"],
            one["revision"],
            one["public"],
            one["deployment_id"],
            ", ".join(handler["name"] for handler in one["handlers"]),
        )
        for one in found
    ]
    columns = ("NAME", "TYPE", "REVISION", "PUBLIC", "DEPLOYMENT", "HANDLERS")
    print_table(columns, rows, "no services: perdure deployments register URI brings them")
    return 0


@command.verb("describe", "One service, its options and handlers.")
@_name
def _describe(asked: Asked, name: str) -> int:
    with _known(asked, name):
        found = asked.admin.get(path("services", name))
    if asked.json:
        print_json(found)
        return 0
    print_fields({name: value for name, value in found.items() if name != "handlers"})
    print()
    print_handlers(found)
    return 0


def print_handlers(service: dict[str, Any]) -> None:
    """The handlers of a service as a table."""
    rows = [
        (
            one["name"],
            one.get("ty"),
            one["public"],
            one["input_description"],
            one["output_description"],
        )
        for one in service["handlers"]
    ]
    print_table(("HANDLER", "TYPE", "PUBLIC", "INPUT", "OUTPUT"), rows, "no handlers")


@command.verb("openapi", "The OpenAPI document of a service.")
@_name
def _openapi(asked: Asked, name: str) -> int:
    with _known(asked, name):
        print_json(asked.admin.get(path("services", name) + "/openapi"))
    return 0


@command.verb("patch", "Set options until the service is discovered again.")
@_name
@click.option("--public", type=click.Choice(("true", "false")), help="callable at the ingress")
@_durations
def _patch(asked: Asked, name: str, public: str | None, **durations: str | None) -> int:
    body: dict[str, Any] = {name: value for name, value in durations.items() if value is not None}
    if public is not None:
        body["public"] = public == "true"
    if not body:
        raise CliError("nothing to set: name at least one option, see --help", EXIT_USAGE)
    with _known(asked, name):
        found = asked.admin.ask("PATCH", path("services", name), body)
    if asked.json:
        print_json(found)
    else:
        print_fields({name: found.get(name) for name in body})
    return 0
