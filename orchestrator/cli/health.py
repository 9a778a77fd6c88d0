"""`perdure health`: whether a server takes new work; for probes of containers and for scripts."""

import argparse
import time
from typing import Final

from orchestrator.cli.client import Admin, CliError
from orchestrator.cli.output import print_json
from orchestrator.cli.parsing import Nouns, shared_options, wait_seconds

_PAUSE_S: Final = 0.2


def add(nouns: Nouns) -> None:
    about = "whether the server takes new work: exit code 0 if it does"
    parser = nouns.add_parser("health", help=about, description=about, parents=[shared_options()])
    parser.add_argument(
        "--wait",
        type=wait_seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait this long until it does",
    )
    parser.set_defaults(run=_health)


def _health(args: argparse.Namespace, admin: Admin) -> int:
    deadline_s = time.monotonic() + args.wait
    while True:
        try:
            admin.get("/health")
            break
        except CliError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(_PAUSE_S)
    if args.json:
        print_json({"healthy": True})
    else:
        print(f"the server at {admin.address} takes new work")
    return 0
