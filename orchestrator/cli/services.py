"""perdure services: list, describe, patch, openapi."""

import argparse
from typing import Any

from orchestrator.cli.client import Admin, CliError, path
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns

_OPTIONS = (
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
)


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "services", "what is deployed, by name")
    noun.verb("list", "The latest revision of every service.", _list)
    for name, about, run in (
        ("describe", "One service, its options and handlers.", _describe),
        ("openapi", "The OpenAPI document of a service.", _openapi),
    ):
        noun.verb(name, about, run).add_argument("name")
    patch = noun.verb("patch", "Set options until the service is discovered again.", _patch)
    patch.add_argument("name")
    patch.add_argument("--public", choices=("true", "false"), help="callable at the ingress")
    for option in _OPTIONS:
        patch.add_argument(f"--{option.replace('_', '-')}", metavar="DURATION")


def _list(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get("/services")["services"]
    if args.json:
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


def _describe(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(path("services", args.name))
    if args.json:
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


def _openapi(args: argparse.Namespace, admin: Admin) -> int:
    print_json(admin.get(path("services", args.name) + "/openapi"))
    return 0


def _patch(args: argparse.Namespace, admin: Admin) -> int:
    given = vars(args)
    body: dict[str, Any] = {name: given[name] for name in _OPTIONS if given[name] is not None}
    if args.public is not None:
        body["public"] = args.public == "true"
    if not body:
        raise CliError("nothing to set: name at least one option, see --help", 2)
    found = admin.ask("PATCH", path("services", args.name), body)
    if args.json:
        print_json(found)
    else:
        print_fields({name: found.get(name) for name in body})
    return 0
