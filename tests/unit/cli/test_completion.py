"""The scripts for shells, in those shells that this machine has: what a word is completed to. The
scripts themselves are looked at by test_words.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.main import main

# Each prints what the shell offers for each line behind it, the last word of which is being typed.
_BASH = """
. ./script
for line; do
  COMP_WORDS=($line) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _perdure_completion perdure
  echo ${COMPREPLY[@]}
done
"""
# Its editor is not there: what the script hands to it is printed.
_ZSH = """
compdef() { [[ $2 == perdure ]] && asked=$1 }
_describe() { print -- "${(@P)3%%:*}" }
compadd() { print -- "${(@P)@[-1]}" }
. ./script
for line; do
  words=(${=line}) CURRENT=$#words
  $asked
done
"""
_FISH = """
source script
for line in $argv
  echo (complete --do-complete $line | string split --fields 1 \\t)
end
"""
_COMMANDS = {
    "bash": ["bash", "--norc", "-c", _BASH, "bash"],
    "zsh": ["zsh", "-f", "-c", _ZSH, "zsh"],
    "fish": ["fish", "--no-config", "-c", _FISH],
}
_LINES = {
    "perdure dep": {"deployments"},
    "perdure invocations res": {"resume", "restart-as-new"},
    "perdure invocations list --status backing": {"backing-off"},
}


@pytest.mark.parametrize("shell", [shell for shell in _COMMANDS if shutil.which(shell)])
def test_what_a_shell_offers(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["completion", shell])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    program = tmp_path / "perdure"
    code = "import sys; sys.argv[0] = 'perdure'; from orchestrator.cli.main import main; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}"\n')
    program.chmod(0o755)
    run = subprocess.run(
        [*_COMMANDS[shell], *_LINES],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": os.getcwd(),
            "HOME": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    assert [set(line.split()) for line in run.stdout.splitlines()] == [*_LINES.values()]
