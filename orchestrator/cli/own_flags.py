"""Commands that read their flags themselves: they take every setting of the server as one."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

OWN_FLAGS: Final = {
    "serve": ("orchestrator.cli.serve", "run_server"),
    "dev": ("orchestrator.cli.dev.command", "run_dev"),
    "config": ("orchestrator.cli.config", "show_config"),
}


def run_with_own_flags(name: str, argv: Sequence[str]) -> int:
    """The exit code. Loaded here: the server's libraries would slow down every other command."""
    module, function = OWN_FLAGS[name]
    code: int = getattr(import_module(module), function)(argv)
    return code


def flags_of_serve() -> list[str]:
    """Every setting as a flag."""
    from orchestrator.config.options import GROUPS

    return ["--config", *(one.flag for group in GROUPS for one in group.settings)]
