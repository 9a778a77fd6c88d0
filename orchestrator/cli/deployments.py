"""perdure deployments: list, describe, register, delete."""

from contextlib import AbstractContextManager

import click

from orchestrator.cli.arguments import force_option
from orchestrator.cli.choosing import count_of, invocations_text
from orchestrator.cli.client import Admin, path
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import CliError
from orchestrator.cli.near import hinting
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.pinned import pinned_if_known, print_services
from orchestrator.cli.registering import add_register
from orchestrator.cli.times import ago

command = Noun("deployments", "Endpoints that serve services.")
_id = click.argument("identity", metavar="ID")
_NOTHING = "no deployments: perdure deployments register URI makes one"


@command.verb("list", "All deployments.")
@click.option(
    "--drained", is_flag=True, help="only those that nothing runs on, and no new call goes to"
)
def _list(asked: Asked, drained: bool) -> int:
    found = asked.admin.get("/deployments")["deployments"]
    if drained:
        busy = _busy(asked.admin)
        found = [one for one in found if one["id"] not in busy]
    if asked.json:
        print_json(found)
        return 0
    rows = [
        (
            one["id"],
            one.get("uri") or one.get("arn"),
            ", ".join(f"{s['name']} r{s['revision']}" for s in one["services"]),
            one.get("sdk_version"),
            ago(one["created_at"]),
        )
        for one in found
    ]
    columns = ("ID", "URI", "SERVICES", "SDK", "CREATED")
    print_table(columns, rows, "no deployment is drained" if drained else _NOTHING)
    return 0


def _known() -> AbstractContextManager[None]:
    return hinting(lambda: "perdure deployments list has them")


def _busy(admin: Admin) -> set[str]:
    """Those that new calls go to, or that something runs on."""
    latest = {one["deployment_id"] for one in admin.get("/services")["services"]}
    rows = admin.query(
        "SELECT pinned_deployment_id AS id, COUNT(1) AS n FROM sys_invocation"
        " WHERE status != 'completed' GROUP BY pinned_deployment_id"
    )
    if admin.missing:
        raise CliError(_unknown(f" in partitions {admin.missing}"))
    return latest | {str(row["id"]) for row in rows if row.get("id") and count_of(row)}


@command.verb("describe", "One deployment: what runs on it, and its services.")
@_id
def _describe(asked: Asked, identity: str) -> int:
    with _known():
        found = asked.admin.get(path("deployments", identity))
    pinned = pinned_if_known(asked.admin, identity)
    services = asked.admin.get("/services")["services"]
    latest = [one["name"] for one in services if one["deployment_id"] == identity]
    if asked.json:
        print_json(found | {"pinned_invocations": pinned, "latest_of": latest})
        return 0
    print_fields({name: value for name, value in found.items() if name != "services"})
    print_fields(
        {
            "new calls": f"of {', '.join(latest)}" if latest else "none",
            "runs on it": _counted(pinned),
        }
    )
    if not latest and pinned == {}:
        print(f"it is drained: perdure deployments delete {identity}")
    print_services(found["services"])
    return 0


def _counted(pinned: dict[str, int] | None) -> str:
    if pinned is None:
        return "unknown: this server has no SQL"
    parts = ", ".join(f"{count:,} {status}" for status, count in sorted(pinned.items()))
    return f"{invocations_text(sum(pinned.values()))} ({parts})" if parts else "nothing"


add_register(command)


@command.verb("delete", "Delete a deployment nothing runs on.")
@_id
@force_option("also if invocations run on it")
def _delete(asked: Asked, identity: str, force: bool) -> int:
    if not force:
        _refuse_if_in_use(identity, asked.admin)
    with _known():
        asked.admin.ask("DELETE", path("deployments", identity) + "?force=true")
    if asked.json:
        print_json({"deleted": identity})
    else:
        print(f"deployment {identity} deleted")
    return 0


def _refuse_if_in_use(deployment_id: str, admin: Admin) -> None:
    pinned = pinned_if_known(admin, deployment_id)
    if pinned is None:
        raise CliError(_unknown(" (it has no SQL)"))
    if admin.missing:
        raise CliError(_unknown(f" in partitions {admin.missing}"))
    if pinned:
        users = invocations_text(sum(pinned.values()))
        raise CliError(
            f"{deployment_id} is in use by {users}, which would fail:"
            f" perdure invocations list --deployment {deployment_id} shows them;"
            " --force deletes it anyway"
        )


def _unknown(why: str) -> str:
    return (
        f"this server cannot say whether anything runs on it{why}: --force deletes it all the same"
    )
