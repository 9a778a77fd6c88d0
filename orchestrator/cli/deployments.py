"""perdure deployments: list, describe, register, delete."""

from typing import Any

import click

from orchestrator.cli.arguments import Options, force, pairs
from orchestrator.cli.client import Admin, path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import CliError, ServerRefused
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.services import print_handlers

command = Noun("deployments", "Endpoints that serve services.")
_id = click.argument("identity", metavar="ID")


@command.verb("list", "All deployments.")
def _list(asked: Asked) -> int:
    found = asked.admin.get("/deployments")["deployments"]
    if asked.json:
        print_json(found)
        return 0
    rows = [
        (
            one["id"],
            one.get("uri") or one.get("arn"),
            ", ".join(f"{s['name']} r{s['revision']}" for s in one["services"]),
            one.get("sdk_version"),
            one["created_at"],
        )
        for one in found
    ]
    columns = ("ID", "URI", "SERVICES", "SDK", "CREATED")
    print_table(columns, rows, "no deployments: perdure deployments register URI makes one")
    return 0


@command.verb("describe", "One deployment and its services.")
@_id
def _describe(asked: Asked, identity: str) -> int:
    found = asked.admin.get(path("deployments", identity))
    if asked.json:
        print_json(found)
        return 0
    print_fields({name: value for name, value in found.items() if name != "services"})
    _print_services(found["services"])
    return 0


def _print_services(services: list[dict[str, Any]]) -> None:
    for service in services:
        print(f"\n{service['name']}  {service['ty']}, revision {service['revision']}")
        print_handlers(service)


@command.verb("register", "Discover an endpoint and register its services.")
@click.argument(
    "uri",
    help="address of the endpoint, like http://localhost:9080, or the ARN of a version of a"
    " function of AWS Lambda",
)
@click.option("--assume-role", metavar="ARN", help="role to call the function as")
@force("overwrite what is registered there")
@click.option("--breaking", is_flag=True, help="a service may change its type")
@click.option("--dry-run", is_flag=True, help="say what would be registered")
@click.option("--use-http1.1", "http1", is_flag=True, help="speak HTTP/1.1 to it")
@pairs("--header", "headers", "send this with every request")
@pairs("--metadata", "metadata", "keep this")
def _register(
    asked: Asked,
    uri: str,
    assume_role: str | None,
    force: bool,
    breaking: bool,
    dry_run: bool,
    http1: bool,
    headers: Options,
    metadata: Options,
) -> int:
    body = {
        "arn" if uri.startswith("arn:") else "uri": uri,
        "assume_role_arn": assume_role,
        "force": force,
        "breaking": breaking,
        "dry_run": dry_run,
        "use_http_11": http1,
        "additional_headers": headers,
        "metadata": metadata,
    }
    known = {one["id"] for one in asked.admin.get("/deployments")["deployments"]}
    found = asked.admin.ask("POST", "/deployments", body)
    if asked.json:
        print_json(found)
        return 0
    if found["id"] not in known:
        said = "would be registered" if dry_run else "registered"
    elif force:
        said = "would be overwritten" if dry_run else "overwritten"
    else:
        said = "was registered already and is unchanged (--force discovers it again)"
    print(f"deployment {found['id']} {said}")
    _print_services(found["services"])
    return 0


@command.verb("delete", "Delete a deployment nothing runs on.")
@_id
@force("also if invocations run on it")
def _delete(asked: Asked, identity: str, force: bool) -> int:
    if not force:
        _refuse_if_in_use(identity, asked.admin)
    asked.admin.ask("DELETE", path("deployments", identity) + "?force=true")
    if asked.json:
        print_json({"deleted": identity})
    else:
        print(f"deployment {identity} deleted")
    return 0


def _refuse_if_in_use(deployment_id: str, admin: Admin) -> None:
    sql = (
        "SELECT COUNT(1) AS n FROM sys_invocation_status WHERE status != 'completed'"
        f" AND pinned_deployment_id = {text_literal(deployment_id)}"
    )
    try:
        rows = admin.query(sql)
    except ServerRefused as error:
        if error.status != 501:
            raise
        raise CliError(
            "this server cannot say whether anything runs on it (it has no SQL):"
            " --force deletes it all the same"
        ) from None
    if admin.missing:
        raise CliError(
            f"this server cannot say whether anything runs on it in partitions {admin.missing}:"
            " --force deletes it all the same"
        )
    count = rows[0].get("n", 0) if rows else 0
    if count:
        raise CliError(
            f"{count} invocations run on {deployment_id} and would fail: --force deletes it anyway"
        )
