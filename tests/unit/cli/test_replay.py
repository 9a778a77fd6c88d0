"""`perdure invocations export` and `perdure replay` against a running admin API."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.model.effects import Sleep
from orchestrator.model.records import PurgeJournal, Suspended
from orchestrator.model.values import Future
from perdure.wire import messages
from perdure.wire.commands import SleepCommand
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import BadQuery, World, world
from tests.unit.cli.printed import Printed
from tests.unit.machine.bench import uid

A, B = uid(1), uid(2)
ID = invocation_id_to_str(A)
SLEEP = messages.encode(SleepCommand(5_000_000, 1))
APP = """
from datetime import timedelta
import perdure

print("this is no report")
greeter = perdure.Service("Greeter")

@greeter.handler
async def greet(ctx: perdure.Context, data: bytes) -> str:
    {body}
    return "done"

app = perdure.app(greeter)
"""
Run = Callable[..., Printed]


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.bench.invoke(A)
        made.bench.flush(
            A, Sleep(5_000_000, 1), frames=SLEEP, end=Suspended(Future((1,), (1,)), seen=2)
        )
        yield made


@pytest.fixture
def run(
    it: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    monkeypatch.setenv("PERDURE_ADMIN", it.url)
    monkeypatch.chdir(tmp_path)
    for name, body in (
        ("fits.py", "await ctx.sleep(timedelta(days=3))"),
        ("differs.py", "await ctx.step(print, 1)"),
        ("broken.py", "return 1 +"),
    ):
        Path(name).write_text(APP.format(body=body))

    def run(*arguments: str) -> Printed:
        code = main(arguments)
        return Printed(code, *capfd.readouterr())

    return run


def test_a_journal_is_exported_and_replayed(run: Run) -> None:
    exported = run("invocations", "export", ID)
    found = exported.json
    assert exported.code == 0
    assert (found["format"], found["target"], found["status"], found["protocol_version"]) == (
        "perdure-journal/1",
        "Greeter/greet",
        "suspended",
        6,
    )
    kinds = [(one["index"], one["type"]) for one in found["entries"]]
    assert kinds == [(0, "Command: Input"), (1, "Command: Sleep")]
    assert found["entries"][1]["shown"]["wake_up_time"] == 5_000_000
    Path("journal.json").write_text(exported.out)
    done = run("replay", "journal.json", "fits.py")
    assert done.code == 0
    assert done.out.splitlines() == [
        f"Greeter/greet ({ID}) replays and waits",
        "1 replayed, 0 of them no longer fit fits.py",
    ]
    assert "this is no report" in done.err
    done = run("replay", "journal.json", "journal.json", "differs.py", "--json")
    assert done.code == 1
    reports = json.loads(done.out)
    assert [(one["fits"], Path(one["file"]).name, one["line"]) for one in reports] == [
        (False, "differs.py", 10)
    ] * 2


def test_what_cannot_be_replayed(it: World, run: Run) -> None:
    Path("journal.json").write_text(run("invocations", "export", ID).out)
    broken = run("replay", "journal.json", "broken.py")
    assert broken.code == 2
    assert 'broken.py", line 10' in broken.err and "SyntaxError" in broken.err
    assert "loading.py" not in broken.err
    for arguments in (
        ["replay", "fits.py"],
        ["replay", "journal.json"],
        ["replay", "journal.json", "nowhere.py"],
        ["replay", "nowhere.json", "fits.py"],
        ["replay", "fits.py", "fits.py"],
        ["replay", "journal.json", "fits.py", "--since", "7d"],
        ["replay", "fits.py", "--since", "seven"],
    ):
        refused = run(*arguments)
        assert refused.code == 2 and "Traceback" not in refused.err, arguments
    unknown = run("invocations", "export", invocation_id_to_str(B))
    assert unknown.code == 1 and "there is no such invocation" in unknown.err
    it.bench.invoke(B)
    it.bench.finish(B)
    assert run("invocations", "export", invocation_id_to_str(B)).json["status"] == "completed"
    it.bench.do(PurgeJournal(B, it.bench.now_ms))
    assert "its journal is gone" in run("invocations", "export", invocation_id_to_str(B)).err


def test_many_from_a_server(it: World, run: Run) -> None:
    asked: list[str] = []

    def rows(sql: str) -> list[dict[str, object]]:
        asked.append(sql)
        if "sys_invocation" not in sql:
            raise BadQuery("no such table")
        return [{"id": ID}, {"id": invocation_id_to_str(B)}]

    it.query.rows = rows
    done = run("replay", "fits.py", "--since", "7d", "--service", "Greeter", "--running")
    assert done.code == 0 and "1 replayed" in done.out
    assert done.err.count("1 have no journal any more") == 1
    (sql,) = asked
    assert "now() - INTERVAL '604800 seconds'" in sql
    assert "target_service_name = 'Greeter'" in sql and "status != 'completed'" in sql
