"""perdure replay: does today's code still replay these journals? For CI: exit code 1 if not.

The app is imported here, so this command runs where the app can be imported.
"""

import argparse
import json
import sys
from typing import Any, Final

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError, ServerRefused, text_literal
from orchestrator.cli.invocations import export_journal
from orchestrator.cli.parsing import Nouns, count_to_show, shared_options
from orchestrator.model.durations import DurationError, parse_duration_ms

_GONE: Final = (404, 410)


def add(nouns: Nouns) -> None:
    about = "Whether the code of an app still replays journals: nothing of it is executed."
    parser = nouns.add_parser("replay", help=about, description=about, parents=[shared_options()])
    parser.add_argument(
        "journals", nargs="*", help="files of perdure invocations export; - is stdin"
    )
    parser.add_argument("app", help="app.py, app.py:name or package.module:name")
    many = parser.add_argument_group("journals of a running server")
    many.add_argument("--since", metavar="TIME", help="invocations begun in this time, like 7d")
    many.add_argument("--service", help="of this service alone")
    many.add_argument("--handler", help="of this handler alone")
    many.add_argument("--running", action="store_true", help="only what has not completed")
    many.add_argument("--limit", type=count_to_show, default=1000, help="the newest so many")
    parser.set_defaults(run=_replay)


def _replay(args: argparse.Namespace, admin: Admin) -> int:
    from perdure import recorded, replaying  # they load the SDK

    asks = bool(args.since or args.service or args.handler or args.running)
    if asks == bool(args.journals):
        raise CliError(
            "name files with journals, or choose those of a server by --since or --service",
            EXIT_USAGE,
        )
    if not asks:
        return replaying.replay_files(args.journals, args.app, args.json)
    documents = _documents(args, admin)
    journals = recorded.read_journals(json.dumps(documents))
    return replaying.replay_with(journals, args.app, args.json)


def _documents(args: argparse.Namespace, admin: Admin) -> list[dict[str, Any]]:
    """The journals that are asked for; some may go while they are read."""
    found = []
    gone_count = 0
    for row in admin.query(_chosen_sql(args)):
        try:
            found.append(export_journal(admin, row["id"]))
        except ServerRefused as error:
            if error.status not in _GONE:
                raise
            gone_count += 1
    if gone_count:
        print(f"{gone_count} have no journal any more", file=sys.stderr)
    return found


def _chosen_sql(args: argparse.Namespace) -> str:
    terms = []
    if args.since:
        terms.append(f"created_at >= now() - INTERVAL '{_seconds(args.since)} seconds'")
    if args.service:
        terms.append(f"target_service_name = {text_literal(args.service)}")
    if args.handler:
        terms.append(f"target_handler_name = {text_literal(args.handler)}")
    if args.running:
        terms.append("status != 'completed'")
    return (
        f"SELECT id FROM sys_invocation WHERE {' AND '.join(terms)}"
        f" ORDER BY created_at DESC LIMIT {args.limit}"
    )


def _seconds(text: str) -> int:
    try:
        return max(1, parse_duration_ms(text) // 1000)
    except DurationError as error:
        raise CliError(f"--since: {error}", EXIT_USAGE) from None
