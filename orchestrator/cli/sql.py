"""perdure sql: run a query over the introspection tables."""

import click

from orchestrator.cli.arguments import given_text
from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_json, print_rows


@single("sql", "Run a query over sys_invocation, sys_journal, state and the other tables.")
@click.argument("query", help="the SQL; - reads it from stdin")
def command(asked: Asked, query: str) -> int:
    text = given_text(query)
    if not text.strip():
        raise CliError("the query is empty", EXIT_USAGE)
    rows = asked.admin.query(text)
    if asked.json:
        print_json(rows)
    else:
        print_rows(rows)
    return 0
