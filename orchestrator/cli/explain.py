"""`perdure explain CODE`: the page of an error code; without one, all codes."""

import argparse

from orchestrator.cli import pages
from orchestrator.cli.client import EXIT_USAGE, Admin, CliError
from orchestrator.cli.output import print_json, print_table
from orchestrator.cli.parsing import Nouns, shared_options


def add(nouns: Nouns) -> None:
    about = "what an error code means and what to do: PD…, RT…, META…"
    parser = nouns.add_parser("explain", help=about, description=about, parents=[shared_options()])
    parser.add_argument("code", nargs="?", help="all codes are listed without one")
    parser.set_defaults(run=_explain)


def _explain(args: argparse.Namespace, _: Admin) -> int:
    if args.code is None:
        _list(args.json)
        return 0
    code = args.code.strip().strip("[]:").upper()
    text = pages.explanation(code)
    if text is None:
        near = pages.nearest(code)
        meant = f"did you mean {near}?" if near else "perdure explain lists them all"
        raise CliError(f"there is no error code {args.code!r}: {meant}", EXIT_USAGE)
    if args.json:
        print_json({"code": code, "text": text})
    else:
        print(text, end="")
    return 0


def _list(as_json: bool) -> None:
    titles = pages.titles()
    if as_json:
        print_json([{"code": code, "title": title} for code, title in titles.items()])
    else:
        print_table(("CODE", "MEANING"), list(titles.items()), "no codes")
