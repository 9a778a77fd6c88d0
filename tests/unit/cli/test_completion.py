"""The scripts for shells, in the shells of this machine: what a word is completed to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Each prints what the shell offers for the words behind it, the last of which is being typed.
_BASH = """
eval "$(perdure completion bash)"
COMP_WORDS=(perdure "$@") COMP_CWORD=$# COMPREPLY=()
_perdure_completion perdure
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Its editor is not there: what the script hands to it is printed.
_ZSH = """
compdef() { [[ $2 == perdure ]] && asked=$1 }
_describe() { print -l -- "${(@P)3%%:*}" }
compadd() { print -l -- "${(@P)@[-1]}" }
eval "$(perdure completion zsh)"
words=(perdure "$@") CURRENT=$#words
$asked
"""
_FISH = """
perdure completion fish | source
complete --do-complete "perdure $argv" | string split --fields 1 \\t
"""
_COMMANDS = {
    "bash": ["bash", "--norc", "-c", _BASH, "bash"],
    "zsh": ["zsh", "-f", "-c", _ZSH, "zsh"],
    "fish": ["fish", "--no-config", "-c", _FISH],
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Where the shell finds `perdure`, as it is installed."""
    program = tmp_path / "perdure"
    code = "import sys; sys.argv[0] = 'perdure'; from orchestrator.cli.main import main; "
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}sys.exit(main())" "$@"\n')
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("shell", _COMMANDS)
def test_what_a_shell_offers(shell: str, programs: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here: its script is looked at by test_words.py")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.getcwd(),
        "HOME": str(programs),
    }

    def offered(*words: str) -> list[str]:
        run = subprocess.run(
            [*_COMMANDS[shell], *words],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert run.stderr == "", run
        return sorted(run.stdout.split())

    assert offered("dep") == ["deployments"]
    assert offered("invocations", "res") == ["restart-as-new", "resume"]
    assert {"--status", "--older-than"} <= set(offered("invocations", "list", "--"))
    assert offered("invocations", "list", "--status", "backing") == ["backing-off"]
