"""Questions before something that cannot be undone."""

import sys

from orchestrator.cli.exits import EXIT_USAGE, CliError


def confirm(question: str, refused: str) -> None:
    """Return if a person says yes; CliError if not, or if there is nobody to ask."""
    if not sys.stdin.isatty():
        raise CliError(f"{question} Add --yes to say so.", EXIT_USAGE)
    print(f"{question} [y/N] ", end="", flush=True, file=sys.stderr)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError(refused)
