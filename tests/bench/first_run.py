"""`python -m tests.bench.first_run`: from `pip install` to the first durable result, and a reload.

The virtual environment is fresh and the wheels are at hand: both are made before the clock starts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import perdure
from tests.parts.processes import Process, free_port, wait_until

_REPOSITORY = Path(__file__).resolve().parents[2]
_BUILT = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
_PATIENCE_S = 60.0
BAR_S, READY_BAR_S, RELOAD_BAR_S = 10.0, 3.0, 1.0


def _wheels(directory: Path) -> Path:
    """Wheels of the server, the SDK and all that they need."""
    source, wheels = directory / "source", directory / "wheels"
    source.mkdir()
    for name in ("orchestrator", "sdk"):
        shutil.copytree(_REPOSITORY / name, source / name, ignore=_BUILT)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(_REPOSITORY / name, source / name)
    command = [*_PIP, "wheel", "--wheel-dir", str(wheels), "./sdk", "."]
    subprocess.run(command, cwd=source, check=True)
    return wheels


def first_program() -> str:
    """The first program in Python of the README."""
    found = re.search(r"```python\n(.*?)```", (_REPOSITORY / "README.md").read_text(), re.S)
    assert found is not None
    return found.group(1)


class _Dev:
    """`perdure dev` of a fresh environment on the README's program."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self._file = directory / "app.py"
        self._file.write_text(first_program())
        self._starts = 0
        self._ports = [free_port() for _ in range(3)]
        ingress, admin, service = self._ports
        env = {"PERDURE_INGRESS": f"127.0.0.1:{ingress}", "PERDURE_ADMIN": f"127.0.0.1:{admin}"}
        command = [str(programs / "perdure"), "dev", "app.py", "--service-port", str(service)]
        self.process = Process("dev", command, env, cwd=directory, log_dir=directory)

    def start(self) -> None:
        self.process.start()
        self._starts += 1
        self._wait_for("; try\n", self._starts)

    def first_result(self) -> None:
        """The workflow of the README, to its end: its step, the click that it waits for, True."""
        with perdure.Client(f"http://127.0.0.1:{self._ports[0]}") as client:
            workflow = client.workflow("signup", "ann")
            workflow.submit("ann@example.com")
            self._wait_for("to ann@example.com: ")
            (secret,) = re.findall(r"to ann@example.com: (\S+)", self.process.log.read_text())
            client.call("signup/click", secret, key="ann")
            assert workflow.attach() is True

    def reload(self) -> None:
        self._file.write_text(self._file.read_text() + "\n")
        self._wait_for("reloaded in")

    def _wait_for(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.process.log.read_text().count(text) >= times, _PATIENCE_S, text)


def main() -> int:
    """Print what each part took; exit code 1 if a bar is missed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        wheels = _wheels(directory)
        venv.create(directory / "venv")
        programs = directory / "venv" / "bin"
        began_s = time.monotonic()
        pip = [*_PIP, "--python", str(programs / "python"), "install"]
        at_hand = ["--no-index", "--find-links", str(wheels)]
        subprocess.run([*pip, *at_hand, "perdure", "perdure-server"], check=True)
        installed_s = time.monotonic()
        dev = _Dev(directory, programs)
        try:
            dev.start()
            ready_s = time.monotonic()
            dev.first_result()
            done_s = time.monotonic()
            dev.reload()
            reloaded_s = time.monotonic()
            dev.process.stop()
            again_s = time.monotonic()
            dev.start()
            warm_s = time.monotonic() - again_s
        finally:
            dev.process.kill()
    total_s, reload_s = done_s - began_s, reloaded_s - done_s
    print(f"pip install                     {installed_s - began_s:5.1f} s")
    print(f"perdure dev, first start        {ready_s - installed_s:5.1f} s")
    print(f"first durable result            {done_s - ready_s:5.1f} s")
    print(f"all of it                       {total_s:5.1f} s, bar {BAR_S:g}")
    print(f"save to reloaded                {reload_s:5.1f} s, bar {RELOAD_BAR_S:g}")
    print(f"perdure dev, warm               {warm_s:5.1f} s, bar {READY_BAR_S:g}")
    return int(total_s > BAR_S or reload_s > RELOAD_BAR_S or warm_s > READY_BAR_S)


if __name__ == "__main__":
    sys.exit(main())
