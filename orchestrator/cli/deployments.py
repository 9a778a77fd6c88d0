"""perdure deployments: list, describe, register, delete."""

import argparse
from typing import Any

from orchestrator.cli.client import Admin, CliError, ServerRefused, path, text_literal
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns, parse_pairs
from orchestrator.cli.services import print_handlers


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "deployments", "endpoints that serve services")
    noun.verb("list", "All deployments.", _list)
    describe = noun.verb("describe", "One deployment and its services.", _describe)
    describe.add_argument("id")
    _add_register(noun)
    delete = noun.verb("delete", "Delete a deployment nothing runs on.", _delete)
    delete.add_argument("id")
    delete.add_argument("--force", action="store_true", help="also if invocations run on it")


def _add_register(noun: Noun) -> None:
    register = noun.verb("register", "Discover an endpoint and register its services.", _register)
    register.add_argument(
        "uri",
        help="address of the endpoint, like http://localhost:9080, or the ARN of a version of a"
        " function of AWS Lambda",
    )
    register.add_argument("--assume-role", metavar="ARN", help="role to call the function as")
    register.add_argument("--force", action="store_true", help="overwrite what is registered there")
    register.add_argument("--breaking", action="store_true", help="a service may change its type")
    register.add_argument("--dry-run", action="store_true", help="say what would be registered")
    register.add_argument(
        "--use-http1.1", dest="http1", action="store_true", help="speak HTTP/1.1 to it"
    )
    register.add_argument(
        "--header", action="append", metavar="NAME=VALUE", help="send this with every request"
    )
    register.add_argument("--metadata", action="append", metavar="NAME=VALUE", help="keep this")


def _list(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get("/deployments")["deployments"]
    if args.json:
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


def _describe(args: argparse.Namespace, admin: Admin) -> int:
    found = admin.get(path("deployments", args.id))
    if args.json:
        print_json(found)
        return 0
    print_fields({name: value for name, value in found.items() if name != "services"})
    _print_services(found["services"])
    return 0


def _print_services(services: list[dict[str, Any]]) -> None:
    for service in services:
        print(f"\n{service['name']}  {service['ty']}, revision {service['revision']}")
        print_handlers(service)


def _register(args: argparse.Namespace, admin: Admin) -> int:
    body = {
        "arn" if args.uri.startswith("arn:") else "uri": args.uri,
        "assume_role_arn": args.assume_role,
        "force": args.force,
        "breaking": args.breaking,
        "dry_run": args.dry_run,
        "use_http_11": args.http1,
        "additional_headers": parse_pairs(args.header, "--header"),
        "metadata": parse_pairs(args.metadata, "--metadata"),
    }
    known = {one["id"] for one in admin.get("/deployments")["deployments"]}
    found = admin.ask("POST", "/deployments", body)
    if args.json:
        print_json(found)
        return 0
    if found["id"] not in known:
        said = "would be registered" if args.dry_run else "registered"
    elif args.force:
        said = "would be overwritten" if args.dry_run else "overwritten"
    else:
        said = "was registered already and is unchanged (--force discovers it again)"
    print(f"deployment {found['id']} {said}")
    _print_services(found["services"])
    return 0


def _delete(args: argparse.Namespace, admin: Admin) -> int:
    if not args.force:
        _refuse_if_in_use(args.id, admin)
    admin.ask("DELETE", path("deployments", args.id) + "?force=true")
    if args.json:
        print_json({"deleted": args.id})
    else:
        print(f"deployment {args.id} deleted")
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
