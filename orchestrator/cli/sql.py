"""perdure sql: run a query over the introspection tables."""

import argparse
import sys

from orchestrator.cli.client import EXIT_USAGE, Admin, CliError
from orchestrator.cli.output import print_json, print_rows
from orchestrator.cli.parsing import Nouns, shared_options


def add(nouns: Nouns) -> None:
    about = "Run a query over sys_invocation, sys_journal, state and the other tables."
    parser = nouns.add_parser("sql", help=about, description=about, parents=[shared_options()])
    parser.add_argument("query", help="the SQL; - reads it from stdin")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, admin: Admin) -> int:
    query = sys.stdin.read() if args.query == "-" else args.query
    if not query.strip():
        raise CliError("the query is empty", EXIT_USAGE)
    rows = admin.query(query)
    if args.json:
        print_json(rows)
    else:
        print_rows(rows)
    return 0
