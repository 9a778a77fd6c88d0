"""perdure invocations: list, describe, export; what can be done to them is in `operations`."""

import sys
import time
from typing import Any, Final

import click

from orchestrator.cli.arguments import Seconds, limit_option
from orchestrator.cli.choosing import Chosen, choosing, count_of, where
from orchestrator.cli.client import Admin
from orchestrator.cli.commands import Asked, Noun
from orchestrator.cli.exits import CliError
from orchestrator.cli.journals import export_journal
from orchestrator.cli.near import say_unknown_names
from orchestrator.cli.operations import add_operations
from orchestrator.cli.output import Coloured, first_line, print_json, print_table, say
from orchestrator.cli.times import ago

_LISTED: Final = (
    "id, target, status, created_at, modified_at, retry_count, next_retry_at,"
    " pinned_deployment_id, completion_result, completion_failure, last_failure"
)
_COLUMNS: Final = ("ID", "TARGET", "STATUS", "CREATED", "RETRIES", "DEPLOYMENT", "LAST FAILURE")
_FAILURE_CHARS: Final = 60
_HOW: Final = {
    "running": "good",
    "ready": "good",
    "backing-off": "bad",
    "paused": "bad",
    "suspended": "waits",
    "pending": "waits",
    "scheduled": "waits",
}
_CLEAR: Final = "\x1b[H\x1b[2J"
command = Noun("invocations", "What runs, waits, or has completed.")


@command.verb("list", "Invocations, the newest first.")
@choosing()
@click.option("--all", "completed_too", is_flag=True, help="completed ones, too")
@limit_option(50)
@click.option(
    "--watch",
    "watch_s",
    type=Seconds(),
    flag_value=2.0,
    is_flag=False,
    metavar="[SECONDS]",
    help="again every so many seconds (2)",
)
def _list(
    asked: Asked, completed_too: bool, limit: int, watch_s: float | None, **given: Any
) -> int:
    chosen = Chosen(**given)
    terms = chosen.terms()
    if not (chosen.statuses or chosen.result or completed_too):
        terms.append("status != 'completed'")
    _look(asked, chosen, where(terms), limit, watch_s is not None)
    while watch_s is not None:
        sys.stdout.flush()
        time.sleep(max(0.1, watch_s))
        try:
            _look(asked, chosen, where(terms), limit, True)
        except CliError as error:
            say(str(error))  # who watches wants to see when it is there again
    return 0


def _look(asked: Asked, chosen: Chosen, matching: str, limit: int, again: bool) -> None:
    rows = _rows(asked.admin, "*" if asked.json else _LISTED, matching, limit)
    if again and sys.stdout.isatty():
        print(_CLEAR, end="")
    _show(asked, rows)
    if not rows:
        say_unknown_names(asked.admin, chosen.service, chosen.handler, chosen.deployment)
    _say_rest(asked.admin, matching, limit, len(rows))


def _rows(admin: Admin, columns: str, matching: str, limit: int) -> list[dict[str, Any]]:
    return admin.query(
        f"SELECT {columns} FROM sys_invocation{matching} ORDER BY created_at DESC, id LIMIT {limit}"
    )


def _say_rest(admin: Admin, matching: str, limit: int, shown: int) -> None:
    """Whoever is not shown everything is told so."""
    if shown < limit:
        return
    (row,) = admin.query(f"SELECT COUNT(1) AS n FROM sys_invocation{matching}")
    if count_of(row) > shown:
        say(f"{shown} of {count_of(row)}: --limit shows more")


def _show(asked: Asked, rows: list[dict[str, Any]]) -> None:
    if asked.json:
        print_json(rows)
        return
    shown = [
        (
            row["id"],
            row.get("target"),
            _status(row),
            ago(row.get("created_at")),
            _retries(row),
            row.get("pinned_deployment_id"),
            _failure(row)[:_FAILURE_CHARS],
        )
        for row in rows
    ]
    print_table(_COLUMNS, shown, "no invocations")


def _failure(row: dict[str, Any]) -> str:
    return first_line(row.get("completion_failure") or row.get("last_failure") or "")


def _retries(row: dict[str, Any]) -> int:
    """How often it failed: the attempt that runs is no retry yet."""
    count = row.get("retry_count") or 0
    return max(0, count - 1) if row.get("status") == "running" else count


def _status(row: dict[str, Any]) -> Coloured:
    status, result = str(row.get("status")), row.get("completion_result")
    if result:
        return Coloured(f"{status} ({result})", "bad" if result == "failure" else "quiet")
    next_at = row.get("next_retry_at") if status == "backing-off" else None
    return Coloured(f"{status}, {ago(next_at)}" if next_at else status, _HOW.get(status, ""))


@command.verb("describe", "One invocation: what it does or waits for, its attempts, its journal.")
@click.argument("identity", metavar="ID")
def _describe(asked: Asked, identity: str) -> int:
    from orchestrator.cli.describing import describe_invocation  # it loads the protocol's messages

    return describe_invocation(asked, identity)


@command.verb("export", "Invocations with their journals as JSON, for perdure replay.")
@click.argument("ids", metavar="ID", nargs=-1, required=True)
def _export(asked: Asked, ids: tuple[str, ...]) -> int:
    """One document, or a list of them for several ids."""
    found = [export_journal(asked.admin, identity) for identity in ids]
    print_json(found[0] if len(found) == 1 else found)
    return 0


add_operations(command)
