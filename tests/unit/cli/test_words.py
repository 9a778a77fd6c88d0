"""What is typed: what is near a word that is none, what a shell completes, what that costs."""

import os
import subprocess
import sys

import pytest

from orchestrator.cli.known import KNOWN
from orchestrator.cli.main import main


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("deploymnets list", "deployments"),
        ("invocations lst", "list"),
        ("invocations list --statsu ready", "--status"),
        ("state patch Counter k {} --forse", "--force"),
    ],
)
def test_what_was_meant(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    said = capsys.readouterr().err
    assert f"Did you mean '{meant}'?" in said and "--help'" in said


def _completed(typed: str) -> list[str]:
    words = ["perdure", *typed.split(" ")]
    environment = {
        **os.environ,
        "_PERDURE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    # As an installed script is run: the name of the program is what the shell calls.
    program = "import sys; sys.argv = ['perdure']; from orchestrator.cli.main import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    return [line.partition(",")[2] for line in run.stdout.splitlines()]


def test_words_are_completed() -> None:
    assert _completed("dep") == ["deployments"]
    assert set(_completed("")) >= set(KNOWN)
    assert _completed("invocations des") == ["describe"]
    assert "--status" in _completed("invocations list --")
    assert _completed("invocations list --status backing") == ["backing-off"]
    assert _completed("serve --kafka-boot") == ["--kafka-bootstrap"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_PERDURE_COMPLETE={shell}_complete" in capsys.readouterr().out


def _loaded(*words: str) -> set[str]:
    program = (
        "import sys; from orchestrator.cli.main import main; main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *words]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return set(run.stderr.split())


def test_a_command_loads_what_it_needs() -> None:
    """Whoever waits for help waits for its imports: no HTTP, and no other command."""
    loaded = _loaded("--help")
    assert "click" in loaded
    assert not loaded & {"http.client", "msgspec", "argparse", "asyncio", "uvloop", "rich"}
    assert {name for name in loaded if name.startswith("orchestrator.cli.")} == {
        f"orchestrator.cli.{name}"
        for name in ("commands", "exits", "known", "main", "output", "own_flags")
    }
    for noun in ("services", "invocations", "deployments"):
        loaded = _loaded(noun, "list", "--admin", "127.0.0.1:1")
        assert f"orchestrator.cli.{noun}" in loaded and "http.client" in loaded
        assert not loaded & {"asyncio", "uvloop", "pyarrow", "perdure", "orchestrator.cli.state"}


def test_the_server_loads_no_commands() -> None:
    assert not _loaded("serve", "--no-such-setting") & {"click", "http.client"}
