"""perdure invocations: list, describe, and what can be done to one or several."""

import argparse
from typing import Any
from urllib.parse import urlencode

from orchestrator.cli.client import Admin, CliError, ServerRefused, path, text_literal
from orchestrator.cli.output import print_fields, print_json, print_table
from orchestrator.cli.parsing import Noun, Nouns, count_to_show

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


def add(nouns: Nouns) -> None:
    noun = Noun(nouns, "invocations", "what runs, waits, or has completed")
    _add_list(noun)
    noun.verb("describe", "One invocation and its journal.", _describe).add_argument("id")
    about = "Invocations with their journals as JSON, for perdure replay."
    export = noun.verb("export", about, _export)
    export.add_argument("ids", nargs="+", metavar="id")
    for name, about in _VERBS.items():
        verb = noun.verb(name, about, _operate)
        verb.set_defaults(operation=name, deployment=None, upto=0)
    resume = noun.verb("resume", "Go on with paused or failing invocations, now.", _operate)
    resume.set_defaults(operation="resume", upto=0)
    restart = noun.verb("restart-as-new", "Start completed invocations again.", _operate)
    restart.set_defaults(operation="restart-as-new")
    restart.add_argument(
        "--from", dest="upto", type=int, default=0, metavar="INDEX",
        help="last entry of the journal to keep (default 0: the input)",
    )  # fmt: skip
    for verb in (resume, restart):
        verb.add_argument("--deployment", metavar="latest|keep|ID", help="where to go on")
    for verb in noun.verbs(*_VERBS, "resume", "restart-as-new"):
        verb.add_argument("ids", nargs="+", metavar="id")


def _add_list(noun: Noun) -> None:
    listing = noun.verb("list", "Invocations, the newest first.", _list)
    listing.add_argument("--service")
    listing.add_argument("--handler")
    listing.add_argument("--key")
    listing.add_argument("--deployment", metavar="ID")
    listing.add_argument("--status", action="append", choices=STATUSES)
    listing.add_argument("--all", action="store_true", help="completed ones, too")
    listing.add_argument("--limit", type=count_to_show, default=50)


def list_sql(args: argparse.Namespace) -> str:
    """The query of a listing."""
    wanted = {
        "target_service_name": args.service,
        "target_handler_name": args.handler,
        "target_service_key": args.key,
        "pinned_deployment_id": args.deployment,
    }
    terms = [
        f"{name} = {text_literal(value)}" for name, value in wanted.items() if value is not None
    ]
    if args.status:
        terms.append(f"status IN ({', '.join(map(text_literal, args.status))})")
    elif not args.all:
        terms.append("status != 'completed'")
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    order = f"ORDER BY created_at DESC LIMIT {args.limit}"
    return f"SELECT {_LISTED} FROM sys_invocation{where} {order}"


def _list(args: argparse.Namespace, admin: Admin) -> int:
    rows = admin.query(list_sql(args))
    if args.json:
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


def _status(row: dict[str, Any]) -> str:
    result = row.get("completion_result")
    return f"{row.get('status')} ({result})" if result else str(row.get("status"))


def _describe(args: argparse.Namespace, admin: Admin) -> int:
    named = text_literal(args.id)
    rows = admin.query(f"SELECT * FROM sys_invocation WHERE id = {named}")
    if not rows:
        raise CliError(f"there is no invocation {args.id}")
    journal = admin.query(
        'SELECT "index", entry_type, name, appended_at, raw_length FROM sys_journal'
        f' WHERE id = {named} ORDER BY "index"'
    )
    if args.json:
        print_json(rows[0] | {"journal": journal})
        return 0
    print_fields(rows[0])
    print()
    columns = ("INDEX", "ENTRY", "NAME", "APPENDED", "BYTES")
    names = ("index", "entry_type", "name", "appended_at", "raw_length")
    print_table(columns, [[row.get(name) for name in names] for row in journal], "no journal")
    return 0


def export_journal(admin: Admin, identity: str) -> dict[str, Any]:
    """The document of docs/python/replay.md; ServerRefused if its journal is gone."""
    found: dict[str, Any] = admin.get(path("perdure", "v1", "invocations", identity, "journal"))
    return found


def _export(args: argparse.Namespace, admin: Admin) -> int:
    """One document, or a list of them for several ids."""
    found = [export_journal(admin, identity) for identity in args.ids]
    print_json(found[0] if len(found) == 1 else found)
    return 0


def _operate(args: argparse.Namespace, admin: Admin) -> int:
    """The operation on each id; exit code 1 if any was refused."""
    results = [_one(args, admin, identity) for identity in args.ids]
    failed = any("error" in result for result in results)
    if args.json:
        print_json(results)
    else:
        rows = [(one["id"], one.get("error") or one["result"]) for one in results]
        print_table(("ID", "RESULT"), rows, "")
    return int(failed)


def _one(args: argparse.Namespace, admin: Admin, identity: str) -> dict[str, str]:
    asked: dict[str, object] = {}
    if args.deployment:
        asked["deployment"] = args.deployment
    if args.upto:
        asked["from"] = args.upto
    at = path("invocations", identity, args.operation)
    try:
        answer = admin.ask("PATCH", f"{at}?{urlencode(asked)}" if asked else at)
    except ServerRefused as error:
        return {"id": identity, "error": str(error).removeprefix(f"{identity}: ")}
    if args.operation == "restart-as-new":
        new_id = answer["new_invocation_id"]
        return {"id": identity, "result": f"restarted as {new_id}", "new_invocation_id": new_id}
    return {"id": identity, "result": _DONE[args.operation]}
