"""What is typed: what is near a word that is none, what a shell completes, what that costs."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from orchestrator.cli.known import KNOWN
from orchestrator.cli.main import main
from tests.unit.admin.world import World, world
from tests.unit.cli.printed import Printed

Perdure = Callable[..., Printed]


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
    """As an empty word, a flag, a flag of the server; other words: test_completion.py."""
    assert set(_completed("")) >= set(KNOWN)
    assert "--status" in _completed("invocations list --")
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


def test_a_verb_alone_is_told_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cancel", "inv_1"]) == 2
    assert "there is 'perdure invocations cancel'" in capsys.readouterr().err


def test_what_other_tools_have_as_a_command_is_told_as_an_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for word in ("help", "version"):
        assert main([word]) == 2
        said = capsys.readouterr().err
        assert f"there is 'perdure --{word}'" in said and "mean" not in said


def test_whoever_reads_no_further_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("orchestrator.cli.main.drop_output", lambda: None)
    monkeypatch.setattr("orchestrator.cli.output.json.dump", gone)
    assert main(["profiles", "list", "--json"]) == 0


def test_choices_are_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feeds", "enable"]) == 2
    assert "Choose from: events, state\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["services", "describe", "Greter"], "'Greter': did you mean 'Greeter'? [PD0703]"),
        (["services", "patch", "greeter", "--public", "true"], "did you mean 'Greeter'?"),
        (["services", "openapi", "Zzz"], "'Zzz': perdure services list shows those"),
        (["state", "get", "Conter", "k"], "did you mean 'Counter'?"),
        (["state", "patch", "Conter", "k", '{"a":1}'], "did you mean 'Counter'? [PD0703]"),
        (["deployments", "describe", "dp_1"], "'dp_1': perdure deployments list has them"),
    ],
)
def test_names_that_are_not_there(
    words: list[str], said: str, server: World, perdure: Perdure
) -> None:
    server.query.rows = lambda sql: []
    refused = perdure(*words)
    assert refused.code == 1 and said in refused.err


def test_a_service_where_there_are_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with world() as made:
        monkeypatch.setenv("PERDURE_URL", made.url)
        assert main(["services", "describe", "Greeter"]) == 1
    assert "nothing is registered here yet: perdure deployments register" in capsys.readouterr().err
