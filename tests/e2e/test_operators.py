"""What operators type against a real server: who waits for what, what is done to many, health."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.parts import command_line
from tests.parts.client import eventually
from tests.parts.processes import Process, free_port, port_open
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

APP = """
from datetime import timedelta

import perdure

greeter = perdure.Service("Greeter")
signup = perdure.Workflow("Signup")
counter = perdure.Object("Counter")


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler
async def fail(ctx: perdure.Context, name: str) -> str:
    raise ValueError(f"no way, {name}")


@signup.run
async def run(ctx: perdure.WorkflowContext, email: str) -> str:
    return await ctx.promise("approved", str)


@signup.handler
async def approve(ctx: perdure.WorkflowSharedContext, by: str) -> None:
    await ctx.promise("approved", str).resolve(by)


@counter.handler
async def hold(ctx: perdure.ObjectContext, seconds: int) -> None:
    await ctx.sleep(timedelta(seconds=seconds))


app = perdure.app(greeter, signup, counter)
"""
Perdure = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def perdure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Perdure]:
    """A command; what it needs runs, and the app is registered by it."""
    directory = tmp_path_factory.mktemp("operators")
    (directory / "app.py").write_text(APP)
    port = free_port()
    words = [sys.executable, "-m", "perdure", "app.py", "--port", str(port)]
    service = Process("app", words, cwd=directory, log_dir=directory)
    server = PerdureServer(directory, ServerOptions(inactivity_timeout="100ms"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return command_line.perdure(
            *arguments, "--admin", server.admin, "--ingress-url", server.ingress
        )

    try:
        server.start()
        service.start()
        service.wait_ready(lambda: port_open(port), 30.0)
        assert run("deployments", "register", f"http://127.0.0.1:{port}").returncode == 0
        yield run
    finally:
        service.kill()
        server.stop()


def sent(perdure: Perdure, *words: str) -> str:
    done = perdure("send", *words)
    assert done.returncode == 0, done
    return done.stdout.strip()


def described(perdure: Perdure, identity: str, *parts: str) -> str:
    """What is said of it, once it says all of these."""

    def look() -> str:
        text = perdure("invocations", "describe", identity).stdout
        assert all(part in text for part in parts), text
        return text

    found: str = eventually(look)
    return found


def listed(perdure: Perdure, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        perdure("invocations", "list", "--json", *words).stdout
    )
    return found


@pytest.mark.timeout(240)
def test_calls_and_results(perdure: Perdure) -> None:
    done = perdure("invoke", "Greeter/greet", '"Ann"', "--json")
    found = json.loads(done.stdout)
    assert found["result"] == "Hello Ann"
    text = described(perdure, found["invocation_id"], "completed (success)")
    assert 'input\n"Ann"' in text and 'output\n"Hello Ann"' in text
    waiting = sent(perdure, "Signup/run", '"a@example.com"', "--key", "ann")
    early = perdure("output", waiting)
    assert early.returncode == 1 and "perdure attach waits for it" in early.stderr
    text = described(perdure, waiting, "waits for promise approved since ")
    assert "GetPromise" in text
    assert perdure("invoke", "Signup/approve", '"bob"', "--key", "ann").returncode == 0
    assert perdure("attach", waiting).stdout == '"bob"'
    mistyped = perdure("invoke", "Greeter/gret", '"Ann"')
    assert mistyped.returncode == 1 and "it has greet, fail" in mistyped.stderr


@pytest.mark.timeout(240)
def test_one_that_fails_and_one_behind_another(perdure: Perdure) -> None:
    failing = sent(perdure, "Greeter/fail", '"Ann"')
    text = described(perdure, failing, "backing-off", "is tried again in", "[RT0007]")
    assert "ValueError: no way, Ann" in text and 'app.py", line ' in text
    assert f"perdure invocations resume {failing}" in text
    holder = sent(perdure, "Counter/hold", "3600", "--key", "k")
    behind = sent(perdure, "Counter/hold", "1", "--key", "k")
    described(perdure, behind, "pending", f"for its key k, which {holder} holds")
    described(perdure, holder, "waits for its timer (in 59 m ")
    killed = perdure("invocations", "kill", "--service", "Counter", "--yes")
    assert (killed.returncode, killed.stdout) == (0, "2 invocations: killed\n")
    paused = perdure("invocations", "pause", failing)
    assert paused.returncode == 0 and "pause" in paused.stdout
    described(perdure, failing, "paused", "mend what failed (perdure explain RT0007)")
    gone = perdure("invocations", "cancel", "--handler", "fail", "--status", "paused", "--yes")
    assert gone.stdout == "1 invocation: cancel requested\n"


@pytest.mark.timeout(240)
def test_many(perdure: Perdure) -> None:
    for n in range(7):
        sent(perdure, "Greeter/greet", f'"{n}"', "--delay", "1h")
    some = perdure("invocations", "list", "--limit", "5", "--status", "scheduled")
    assert some.stderr == "5 of 7: --limit shows more\n"
    assert len(some.stdout.splitlines()) == 6 and "scheduled" in some.stdout
    row = listed(perdure, "--status", "scheduled")[0]
    assert row["completion_result"] is None, "columns that are null are there"
    asked = perdure("invocations", "cancel", "--status", "scheduled")
    assert asked.returncode == 2 and "cancel 7 invocations? Add --yes" in asked.stderr
    done = perdure("invocations", "cancel", "--status", "scheduled", "--yes")
    assert (done.returncode, done.stdout) == (0, "7 invocations: cancel requested\n")
    eventually(lambda: not listed(perdure, "--status", "scheduled"))
    young = ("--all", "--older-than", "1h", "--yes")
    assert "nothing was done" in perdure("invocations", "purge", *young).stdout
    purged = perdure("invocations", "purge", "--result", "failure", "--yes")
    assert re.fullmatch(r"\d+ invocations: purged\n", purged.stdout), purged
    assert not listed(perdure, "--result", "failure")


@pytest.mark.timeout(240)
def test_how_the_server_does(perdure: Perdure) -> None:
    found = json.loads(perdure("status", "--json").stdout)
    assert found["healthy"] and found["log"] == "embedded" and found["memory_bytes"] > 1 << 20
    assert set(found["partitions"]) >= {"leading", "restoring", "stopped"}
    assert "takes new work" in perdure("status").stdout
    (deployment,) = json.loads(perdure("deployments", "list", "--json").stdout)
    sent(perdure, "Counter/hold", "3600", "--key", "pinned")

    def is_pinned() -> bool:
        text = perdure("deployments", "describe", deployment["id"]).stdout
        return "runs on it  1 invocation (1 " in text and "new calls   of " in text

    eventually(is_pinned)
    assert "no deployment is drained" in perdure("deployments", "list", "--drained").stdout
    assert perdure("invocations", "kill", "--key", "pinned", "--yes").returncode == 0


def interrupted(
    perdure: Perdure, wait: Callable[[subprocess.Popen[str]], object], *words: str
) -> tuple[int, str]:
    """A command in a process of its own, which ^C reaches once `wait` is over: how it ends, and
    all that it says."""
    where = json.loads(perdure("whoami", "--json").stdout)
    servers = ("--admin", where["admin"], "--ingress-url", where["ingress"])
    command = [sys.executable, "-m", "orchestrator.cli.main", *words, *servers]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Tests that run in the background of a shell do not hear it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:
        wait(run)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[0]
    return run.returncode, said


@pytest.mark.timeout(240)
def test_an_interrupt_ends_a_command_with_130(perdure: Perdure) -> None:
    """And says how to find what goes on."""

    def is_suspended() -> None:
        statuses = [one["status"] for one in listed(perdure, "--key", "interrupted")]
        assert statuses == ["suspended"]

    def first_line(run: subprocess.Popen[str]) -> None:
        assert run.stdout is not None and run.stdout.readline()

    hold = ("invoke", "Counter/hold", "3600", "--key", "interrupted")
    code, said = interrupted(perdure, lambda run: eventually(is_suspended), *hold)
    (held,) = listed(perdure, "--key", "interrupted")
    goes_on = f"perdure attach {held['id']}, or perdure invocations cancel {held['id']}"
    assert (code, said.strip()) == (130, f"it goes on: {goes_on}")
    assert perdure("invocations", "kill", held["id"]).returncode == 0
    code, said = interrupted(perdure, first_line, "invocations", "list", "--all", "--watch")
    assert code == 130 and "Traceback" not in said
