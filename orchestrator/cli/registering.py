"""`perdure deployments register`: shows what would change, and asks before what breaks."""

import sys
from typing import Any, Final

import click
import msgspec

from orchestrator.cli.arguments import GivenPairs, force_option, pairs_option
from orchestrator.cli.choosing import invocations_text
from orchestrator.cli.client import Admin, path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.confirming import confirm
from orchestrator.cli.deployment_changes import DeploymentChange, by_name, changes
from orchestrator.cli.exits import ServerRefused
from orchestrator.cli.output import cell, coloured, is_coloured, print_heading, print_json, say
from orchestrator.cli.pinned import count_pinned, print_services

_HOW: Final = {"+": "good", "-": "bad", "!": "bad", "~": "waits"}
_Body = dict[str, Any]


def add_register(noun: Noun) -> None:
    """The verb."""
    noun.verb("register", "Discover an endpoint and register its services.")(_register)


@click.argument(
    "uri",
    help="address of the endpoint, like http://localhost:9080, or the ARN of a version of a"
    " function of AWS Lambda",
)
@click.option("--assume-role", metavar="ARN", help="role to call the function as")
@force_option("overwrite what is registered there")
@click.option("--breaking", is_flag=True, help="a service may change its type; do not ask")
@click.option("--dry-run", is_flag=True, help="say what would be registered")
@click.option("--yes", is_flag=True, help="do not ask before what breaks")
@click.option("--use-http1.1", "http1", is_flag=True, help="speak HTTP/1.1 to it")
@pairs_option("--header", "headers", "send this with every request")
@pairs_option("--metadata", "metadata", "keep this")
def _register(
    asked: Asked,
    uri: str,
    assume_role: str | None,
    force: bool,
    breaking: bool,
    dry_run: bool,
    yes: bool,
    http1: bool,
    headers: GivenPairs,
    metadata: GivenPairs,
) -> int:
    body: _Body = {
        "arn" if uri.startswith("arn:") else "uri": uri,
        "assume_role_arn": assume_role,
        "force": force,
        "breaking": breaking,
        "use_http_11": http1,
        "additional_headers": headers,
        "metadata": metadata,
    }
    admin = asked.admin
    known = {one["id"] for one in admin.get("/deployments")["deployments"]}
    planned = admin.ask("POST", "/deployments", {**body, "breaking": True, "dry_run": True})
    is_new = planned["id"] not in known
    lines = _changes(admin, planned, is_new) if is_new or force else []
    if not asked.json:
        _print_changes(lines)
    if not dry_run:
        if any(one.breaks for one in lines):
            _ask(yes or breaking or force)
            body["breaking"] = True
        if force and not is_new:
            _warn_of_pinned(admin, planned["id"])
        planned = admin.ask("POST", "/deployments", body)
    if asked.json:
        print_json(planned | {"changes": msgspec.to_builtins(lines)})
        return 0
    _say(planned, is_new, force, dry_run)
    return 0


def _changes(admin: Admin, planned: _Body, is_new: bool) -> list[DeploymentChange]:
    latest = by_name(admin.get("/services")["services"])
    replaced = {} if is_new else by_name(admin.get(path("deployments", planned["id"]))["services"])
    return changes(latest, replaced, by_name(planned["services"]))


def _print_changes(lines: list[DeploymentChange]) -> None:
    in_colour = is_coloured(sys.stdout)
    for one in lines:
        text = cell(one.text)
        print(coloured(text, _HOW[text[0]]) if in_colour else text)


def _ask(is_wanted: bool) -> None:
    if not is_wanted:
        confirm("This breaks what works today. Register it?", "nothing was registered")


def _warn_of_pinned(admin: Admin, deployment_id: str) -> None:
    """Code that is overwritten has to go with the journals that are under way."""
    try:
        count = sum(count_pinned(admin, deployment_id).values())
    except ServerRefused:
        return  # whoever cannot be told is not kept from it
    if count:
        say(
            f"{deployment_id} is in use by {invocations_text(count)}: those that the new code does"
            " not fit fail with RT0016 (perdure replay says which)"
        )


def _say(found: _Body, is_new: bool, force: bool, dry_run: bool) -> None:
    if is_new:
        said = "would be registered" if dry_run else "registered"
    elif force:
        said = "would be overwritten" if dry_run else "overwritten"
    else:
        said = "was registered already and is unchanged (--force discovers it again)"
    print_heading(f"deployment {found['id']} {said}")
    print_services(found["services"])
