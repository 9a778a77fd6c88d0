"""perdure replay: does today's code still replay these journals? For CI: exit code 1 if not.

The app is imported here, so this command runs where the app can be imported.
"""

import json
import sys
from typing import Any

import click
import msgspec

from orchestrator.cli.arguments import limit_option
from orchestrator.cli.client import Admin, text_literal
from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import EXIT_USAGE, CliError, ServerRefused
from orchestrator.cli.journals import GONE, export_journal
from orchestrator.cli.times import flag_duration_s


class _Chosen(msgspec.Struct):
    """Journals of a running server."""

    since: str | None
    service: str | None
    handler: str | None
    running: bool
    limit: int

    def __bool__(self) -> bool:
        return bool(self.since or self.service or self.handler or self.running)


@single("replay", "Whether the code of an app still replays journals: nothing of it is executed.")
@click.argument("journals", nargs=-1, help="files of perdure invocations export; - is stdin")
@click.argument("app", help="app.py, app.py:name or package.module:name")
@click.option("--since", metavar="TIME", help="of a server: begun in this time, like 7d")
@click.option("--service", help="of a server: those of this service")
@click.option("--handler", help="of a server: those of this handler")
@click.option("--running", is_flag=True, help="of a server: only what has not completed")
@limit_option(1000, "of a server: the newest so many")
def command(asked: Asked, journals: tuple[str, ...], app: str, **chosen: Any) -> int:
    from perdure import recorded, replaying  # they load the SDK

    wanted = _Chosen(**chosen)
    if bool(wanted) == bool(journals):
        raise CliError(
            "name files with journals before the app (perdure replay journal.json app.py), or"
            " choose those of a server by --since or --service",
            EXIT_USAGE,
        )
    if journals:
        return replaying.replay_files(list(journals), app, asked.json)
    found = recorded.read_journals(json.dumps(_documents(wanted, asked.admin)))
    return replaying.replay_with(found, app, asked.json)


def _documents(wanted: _Chosen, admin: Admin) -> list[dict[str, Any]]:
    """The journals that are asked for; some may go while they are read."""
    found = []
    gone_count = 0
    for row in admin.query(_chosen_sql(wanted)):
        try:
            found.append(export_journal(admin, row["id"]))
        except ServerRefused as error:
            if error.status not in GONE:
                raise
            gone_count += 1
    if gone_count:
        print(f"{gone_count} have no journal any more", file=sys.stderr)
    return found


def _chosen_sql(wanted: _Chosen) -> str:
    terms = []
    if wanted.since:
        since_s = flag_duration_s(wanted.since, "--since")
        terms.append(f"created_at >= now() - INTERVAL '{since_s} seconds'")
    if wanted.service:
        terms.append(f"target_service_name = {text_literal(wanted.service)}")
    if wanted.handler:
        terms.append(f"target_handler_name = {text_literal(wanted.handler)}")
    if wanted.running:
        terms.append("status != 'completed'")
    return (
        f"SELECT id FROM sys_invocation WHERE {' AND '.join(terms)}"
        f" ORDER BY created_at DESC LIMIT {wanted.limit}"
    )
