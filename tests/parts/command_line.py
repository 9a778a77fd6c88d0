"""The command line in this process: words, exit codes and text as ever, but no start of Python."""

from __future__ import annotations

import contextlib
import io
import subprocess

from orchestrator.cli.main import main


def perdure(*words: str) -> subprocess.CompletedProcess[str]:
    """Run one command; one at a time, for what is printed goes to the streams of this process."""
    printed, told = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        code = main(words)
    return subprocess.CompletedProcess(words, code, _text_of(printed), _text_of(told))


def _text_of(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
