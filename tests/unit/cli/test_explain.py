"""`perdure explain`, and what people read of errors that nobody foresaw."""

import errno
import json
import subprocess
import sys

import pytest

from orchestrator.cli import pages
from orchestrator.cli.main import main
from orchestrator.model.codes import CODES


@pytest.mark.parametrize("given", ["PD0103", "pd0103", "[PD0103]", "PD0103:"])
def test_a_page(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", given]) == 0
    assert capsys.readouterr().out.startswith("# PD0103: The log's directory is in use\n")


@pytest.mark.parametrize("code", ["RT0016", "META0004"])
def test_a_code_of_the_protocol(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {code}: ") and "**What to do.**" in out


def test_every_code_is_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json"]) == 0
    listed = {one["code"] for one in json.loads(capsys.readouterr().out)}
    assert set(CODES) | {"RT0001", "META0003"} <= listed
    for code in listed:
        assert pages.explanation(code)


def test_the_nearest_code_is_proposed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "PD013"]) == 2
    assert "did you mean PD01" in capsys.readouterr().err
    assert main(["explain", "?"]) == 2
    assert "perdure explain lists them" in capsys.readouterr().err


def _fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(code: str) -> str:
        raise error

    monkeypatch.setattr(pages, "explanation", broken)


def test_what_nobody_foresaw_has_a_code_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _fails(monkeypatch, KeyError("x"))
    assert main(["explain", "PD0103"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("perdure: PD0003: ") and "KeyError" in err and err.count("\n") == 1
    _fails(monkeypatch, OSError(errno.EMFILE, "Too many open files"))
    assert main(["explain", "PD0103"]) == 1
    assert capsys.readouterr().err.startswith("perdure: PD0210: ")


def test_a_server_that_may_open_too_few_files(tmp_path: object) -> None:
    command = f"ulimit -n 20; exec {sys.executable} -m orchestrator.cli.main serve"
    command += f" --data-dir {tmp_path}/data --ingress 127.0.0.1:0 --admin 127.0.0.1:0"
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "PD0211" in ended.stderr and "ulimit -n" in ended.stderr
    assert "Traceback" not in ended.stderr
