"""Which files are looked at, and what counts as a change."""

import os
from pathlib import Path

import pytest

from orchestrator.cli.dev import watching


def test_python_files_are_watched_wherever_they_are(tmp_path: Path) -> None:
    for name in ("app.py", "lib/steps.py", ".venv/x.py", "__pycache__/y.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = watching.look(tmp_path)
    assert {Path(path).name for path in before} == {"app.py", "steps.py"}
    os.utime(tmp_path / "lib/steps.py", ns=(1, 1))
    (tmp_path / "new.py").write_text("")
    (tmp_path / "app.py").unlink()
    found = watching.changed_files(before, watching.look(tmp_path))
    assert [Path(path).name for path in found] == ["app.py", "steps.py", "new.py"]


def test_a_look_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"m{number}.py").write_text("")
    monkeypatch.setattr(watching, "FILES_MAX", 3)
    assert len(watching.look(tmp_path)) == 3
    assert watching.look(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("app", "directory"),
    [("a/app.py", "a"), ("a/app.py:other", "a"), ("app.py", "."), ("package.module:app", ".")],
)
def test_where_the_files_of_an_app_are(
    app: str, directory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert watching.directory_of(app) == (tmp_path / directory).resolve()
