"""`perdure completion SHELL`: the script that completes commands, options and names."""

import click
from click.shell_completion import get_completion_class

from orchestrator.cli.commands import Asked, single

_SHELLS = ("bash", "zsh", "fish")


@single(
    "completion",
    "Print the script that completes words in your shell. In ~/.bashrc, ~/.zshrc:"
    ' eval "$(perdure completion bash)", or zsh; for fish: perdure completion fish | source',
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(asked: Asked, shell: str) -> int:
    kind = get_completion_class(shell)
    assert kind is not None
    print(kind(command, {}, "perdure", "_PERDURE_COMPLETE").source())
    return 0
