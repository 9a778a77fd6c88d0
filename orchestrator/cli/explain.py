"""`perdure explain CODE`: the page of an error code; without one, all codes."""

import click

from orchestrator.cli import pages
from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.cli.output import print_json, print_table


@single("explain", "What an error code means and what to do: PD…, RT…, META…")
@click.argument("code", default="", help="all codes are listed without one")
def command(asked: Asked, code: str) -> int:
    if not code:
        _list(asked.json)
        return 0
    wanted = code.strip().strip("[]:").upper()
    text = pages.explanation(wanted)
    if text is None:
        near = pages.nearest(wanted)
        meant = f"did you mean {near}?" if near else "perdure explain lists them all"
        raise CliError(f"there is no error code {code!r}: {meant}", EXIT_USAGE)
    if asked.json:
        print_json({"code": wanted, "text": text})
    else:
        print(text, end="")
    return 0


def _list(as_json: bool) -> None:
    titles = pages.titles()
    if as_json:
        print_json([{"code": code, "title": title} for code, title in titles.items()])
    else:
        print_table(("CODE", "MEANING"), list(titles.items()), "no codes")
