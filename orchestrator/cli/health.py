"""`perdure health`: whether a server takes new work; for probes of containers and for scripts."""

import time
from typing import Final

import click

from orchestrator.cli.arguments import Seconds
from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import CliError
from orchestrator.cli.output import print_json

_PAUSE_S: Final = 0.2


@single("health", "Whether the server takes new work: exit code 0 if it does.")
@click.option(
    "--wait",
    "wait_s",
    type=Seconds(),
    default=0.0,
    metavar="SECONDS",
    help="wait this long until it does",
)
def command(asked: Asked, wait_s: float) -> int:
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            asked.admin.get("/health")
            break
        except CliError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(_PAUSE_S)
    if asked.json:
        print_json({"healthy": True})
    else:
        print(f"the server at {asked.admin.address} takes new work")
    return 0
