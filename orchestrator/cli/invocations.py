"""perdure invocations: list, describe, and what can be done to one or several."""

from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from orchestrator.cli.arguments import limit
from orchestrator.cli.client import Admin, path, text_literal
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import CliError, ServerRefused
from orchestrator.cli.journals import export_journal
from orchestrator.cli.output import print_fields, print_json, print_table

STATUSES = (
    "pending", "scheduled", "ready", "running", "backing-off", "suspended", "paused", "completed",
)  # fmt: skip
_LISTED = (
    "id, target, status, created_at, retry_count, pinned_deployment_id, completion_result,"
    " last_failure"
)
_VERBS = {
    "cancel": "Ask invocations to come to an end.",
    "kill": "End invocations at once, and what they have started.",
    "pause": "Hold invocations where they are.",
    "purge": "Forget completed invocations.",
    "purge-journal": "Forget the journals of completed invocations, keep their results.",
}
_DONE = {
    "cancel": "cancelled",
    "kill": "killed",
    "pause": "paused",
    "purge": "purged",
    "purge-journal": "journal purged",
    "resume": "resumed",
}
command = Noun("invocations", "What runs, waits, or has completed.")
_id = click.argument("identity", metavar="ID")
_ids = click.argument("ids", metavar="ID", nargs=-1, required=True)
_deployment = click.option("--deployment", metavar="latest|keep|ID", help="where to go on")


class _Filter(msgspec.Struct):
    service: str | None
    handler: str | None
    key: str | None
    deployment: str | None
    statuses: tuple[str, ...]
    all_of_them: bool


@command.verb("list", "Invocations, the newest first.")
@click.option("--service")
@click.option("--handler")
@click.option("--key")
@click.option("--deployment", metavar="ID")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES))
@click.option("--all", "all_of_them", is_flag=True, help="completed ones, too")
@limit(50)
def _list(asked: Asked, limit: int, **given: Any) -> int:
    rows = asked.admin.query(_list_sql(_Filter(**given), limit))
    if asked.json:
        print_json(rows)
        return 0
    columns = ("ID", "TARGET", "STATUS", "CREATED", "RETRIES", "DEPLOYMENT", "LAST FAILURE")
    shown = [
        (
            row["id"],
            row.get("target"),
            _status(row),
            row.get("created_at"),
            row.get("retry_count", 0),
            row.get("pinned_deployment_id"),
            (row.get("last_failure") or "")[:60],
        )
        for row in rows
    ]
    print_table(columns, shown, "no invocations")
    return 0


def _list_sql(wanted: _Filter, limit: int) -> str:
    columns = {
        "target_service_name": wanted.service,
        "target_handler_name": wanted.handler,
        "target_service_key": wanted.key,
        "pinned_deployment_id": wanted.deployment,
    }
    terms = [
        f"{name} = {text_literal(value)}" for name, value in columns.items() if value is not None
    ]
    if wanted.statuses:
        terms.append(f"status IN ({', '.join(map(text_literal, wanted.statuses))})")
    elif not wanted.all_of_them:
        terms.append("status != 'completed'")
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    order = f"ORDER BY created_at DESC LIMIT {limit}"
    return f"SELECT {_LISTED} FROM sys_invocation{where} {order}"


def _status(row: dict[str, Any]) -> str:
    result = row.get("completion_result")
    return f"{row.get('status')} ({result})" if result else str(row.get("status"))


@command.verb("describe", "One invocation and its journal.")
@_id
def _describe(asked: Asked, identity: str) -> int:
    named = text_literal(identity)
    rows = asked.admin.query(f"SELECT * FROM sys_invocation WHERE id = {named}")
    if not rows:
        raise CliError(f"there is no invocation {identity}")
    journal = asked.admin.query(
        'SELECT "index", entry_type, name, appended_at, raw_length FROM sys_journal'
        f' WHERE id = {named} ORDER BY "index"'
    )
    if asked.json:
        print_json(rows[0] | {"journal": journal})
        return 0
    print_fields(rows[0])
    print()
    columns = ("INDEX", "ENTRY", "NAME", "APPENDED", "BYTES")
    names = ("index", "entry_type", "name", "appended_at", "raw_length")
    print_table(columns, [[row.get(name) for name in names] for row in journal], "no journal")
    return 0


@command.verb("export", "Invocations with their journals as JSON, for perdure replay.")
@_ids
def _export(asked: Asked, ids: tuple[str, ...]) -> int:
    """One document, or a list of them for several ids."""
    found = [export_journal(asked.admin, identity) for identity in ids]
    print_json(found[0] if len(found) == 1 else found)
    return 0


def _add_verb(name: str, about: str) -> None:
    @command.verb(name, about)
    @_ids
    def _(asked: Asked, ids: tuple[str, ...]) -> int:
        return _operate(asked, name, ids, {})


for _name, _about in _VERBS.items():
    _add_verb(_name, _about)


@command.verb("resume", "Go on with paused or failing invocations, now.")
@_ids
@_deployment
def _resume(asked: Asked, ids: tuple[str, ...], deployment: str | None) -> int:
    return _operate(asked, "resume", ids, {"deployment": deployment})


@command.verb("restart-as-new", "Start completed invocations again.")
@_ids
@_deployment
@click.option(
    "--from",
    "upto",
    type=int,
    default=0,
    metavar="INDEX",
    help="last entry of the journal to keep (default 0: the input)",
)
def _restart(asked: Asked, ids: tuple[str, ...], deployment: str | None, upto: int) -> int:
    return _operate(asked, "restart-as-new", ids, {"deployment": deployment, "from": upto})


def _operate(
    asked: Asked, operation: str, ids: tuple[str, ...], how: dict[str, str | int | None]
) -> int:
    """The operation on each id; exit code 1 if any was refused."""
    query = urlencode({name: value for name, value in how.items() if value})
    results = [_one(asked.admin, operation, identity, query) for identity in ids]
    failed = any("error" in result for result in results)
    if asked.json:
        print_json(results)
    else:
        rows = [(one["id"], one.get("error") or one["result"]) for one in results]
        print_table(("ID", "RESULT"), rows, "")
    return int(failed)


def _one(admin: Admin, operation: str, identity: str, query: str) -> dict[str, str]:
    at = path("invocations", identity, operation)
    try:
        answer = admin.ask("PATCH", f"{at}?{query}" if query else at)
    except ServerRefused as error:
        return {"id": identity, "error": str(error).removeprefix(f"{identity}: ")}
    if operation == "restart-as-new":
        new_id = answer["new_invocation_id"]
        return {"id": identity, "result": f"restarted as {new_id}", "new_invocation_id": new_id}
    return {"id": identity, "result": _DONE[operation]}
