"""What `perdure dev` is given that is no app."""

from pathlib import Path

import pytest

from orchestrator.cli.main import main


@pytest.mark.parametrize(
    ("app", "said"), [("none.py", "There is no file none.py"), (".", "name the file of the app")]
)
def test_what_is_no_app_is_told_before_anything_starts(
    app: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["dev", app]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())
