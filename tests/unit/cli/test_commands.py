"""Every noun and verb against a running admin API: what is printed, and the exit codes."""

import os
import stat
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.client import path
from orchestrator.cli.main import main
from orchestrator.codec.keys import object_key
from orchestrator.machine import kv
from orchestrator.model.records import PatchState
from orchestrator.model.values import PAUSED
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import URI, BadQuery, World, world
from tests.unit.cli.printed import Printed
from tests.unit.machine.bench import uid

A = invocation_id_to_str(uid(1))
B = invocation_id_to_str(uid(2))


Run = Callable[..., Printed]


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.query.rows = lambda sql: _answer(made, sql)
        yield made


def _answer(made: World, sql: str) -> list[dict[str, Any]]:
    """The queries of the command line, answered from the bench."""
    if " FROM state GROUP BY" in sql:
        return [{"service_name": "Counter", "service_key": key, "n": 3} for key in "kl"]
    if " FROM state " in sql:
        key = sql.rsplit("'", 2)[1]
        owner = made.bench.state.objects.get(object_key("Counter", key))
        pairs = [] if owner is None else list(kv.pairs(made.bench.state, owner))
        return [{"key": name.decode(), "value": value.hex()} for name, value in pairs]
    if "sys_journal_events" in sql:
        return []
    if "COUNT(1)" in sql:
        return [{"status": "running", "n": 2}] if "dp_busy" in sql else []
    if "sys_invocation" in sql and B not in sql:
        return [{"id": A, "target": "Greeter/greet", "status": "running", "retry_count": 1}]
    return []


@pytest.fixture
def run(
    it: World, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Run:
    monkeypatch.setenv("PERDURE_ADMIN", it.url.removeprefix("http://"))

    def run(*arguments: str) -> Printed:
        code = main(arguments)
        out, err = capfdbinary.readouterr()
        return Printed(code, out.decode(), err.decode())

    return run


def registered(run: Run) -> str:
    found: str = run("deployments", "register", URI, "--json").json["id"]
    return found


def test_deployments(it: World, run: Run) -> None:
    assert "no deployments" in run("deployments", "list").out
    made = run("deployments", "register", URI, "--header", "x-team=a", "--metadata", "git=1")
    assert made.code == 0 and "registered" in made.out and "Counter" in made.out
    (listed,) = run("deployments", "list", "--json").json
    assert listed["additional_headers"] == {"x-team": "***"} and listed["metadata"] == {"git": "1"}
    table = run("deployments", "list").out
    assert listed["id"] in table and "Greeter r1" in table
    described = run("deployments", "describe", listed["id"]).out
    assert URI in described and "Exclusive" in described
    again = run("deployments", "register", URI)
    assert "unchanged" in again.out
    assert "would be overwritten" in run("deployments", "register", URI, "--force", "--dry-run").out
    assert "overwritten" in run("deployments", "register", URI, "--force").out
    assert run("deployments", "delete", listed["id"]).code == 0
    assert run("deployments", "describe", listed["id"]).code == 1


def test_a_deployment_in_use_is_kept(it: World, run: Run) -> None:
    refused = run("deployments", "delete", "dp_busy")
    assert refused.code == 1 and "2 invocations" in refused.err


def test_services(it: World, run: Run) -> None:
    assert "no services" in run("services", "list").out
    registered(run)
    assert "Signup" in run("services", "list").out
    assert run("services", "list", "--json").json[0]["name"] == "Greeter"
    described = run("services", "describe", "Counter")
    assert "VirtualObject" in described.out and "Shared" in described.out
    assert run("services", "openapi", "Counter").json["openapi"] == "3.1.0"
    patched = run("services", "patch", "Greeter", "--journal-retention", "2h", "--public", "false")
    assert patched.out == "journal_retention  2h\npublic             no\n"
    assert run("services", "patch", "Greeter").code == 2
    assert run("services", "patch", "Greeter", "--journal-retention", "1y").code == 1
    assert run("services", "describe", "Nope").code == 1


def test_invocations(it: World, run: Run) -> None:
    registered(run)
    it.bench.invoke(uid(1))
    listed = run("invocations", "list", "--service", "it's", "--status", "running")
    assert listed.code == 0 and A in listed.out
    assert " 0        -" in listed.out  # an attempt that runs is no retry
    assert "target_service_name = 'it''s'" in it.query.asked[-1]
    assert "status IN ('running')" in it.query.asked[-1]
    described = run("invocations", "describe", A)
    assert "Input" in described.out and "Greeter/greet" in described.out
    assert run("invocations", "describe", A, "--json").json["journal"][0]["index"] == 0
    assert run("invocations", "describe", B).code == 1
    paused = run("invocations", "pause", A).out
    assert paused.endswith("pause requested: it is held once its attempt ends\n")
    row = it.bench.live(uid(1))
    assert row is not None and row.pause_requested
    row.status, row.pause_requested = PAUSED, False
    assert run("invocations", "resume", A, "--deployment", "latest").code == 0
    some = run("invocations", "cancel", A, B)
    assert some.code == 1 and "cancel requested" in some.out and "no such invocation" in some.out
    assert run("invocations", "kill", A).code == 0
    new = run("invocations", "restart-as-new", A, "--from", "0", "--json").json
    assert new[0]["new_invocation_id"].startswith("inv_1")
    assert run("invocations", "purge-journal", A).code == 0
    assert run("invocations", "restart-as-new", A).code == 1
    assert run("invocations", "purge", A).code == 0


def counter_state(it: World, key: str = "k") -> dict[bytes, bytes]:
    owner = it.bench.state.objects.get(object_key("Counter", key))
    return {} if owner is None else dict(kv.pairs(it.bench.state, owner))


@pytest.fixture
def with_state(it: World, run: Run) -> None:
    registered(run)
    pairs = ((b"count", b" 3 "), (b"raw", b"\xff\x00"), (b"tree", b'{"a":[1,2]}'))
    it.bench.do(PatchState("Counter", "k", False, None, pairs, it.bench.now_ms))


@pytest.mark.usefixtures("with_state")
def test_state_is_shown(it: World, run: Run) -> None:
    assert run("state", "get", "Counter", "k", "--json").json == {
        "count": 3, "raw": {"$base64": "/wA="}, "tree": {"a": [1, 2]}
    }  # fmt: skip
    assert "count  3" in run("state", "get", "Counter", "k").out
    assert run("state", "get", "Counter", "k", "count").out == " 3 "
    assert run("state", "get", "Counter", "k", "none").code == 1
    assert "no state" in run("state", "get", "Counter", "other").out
    text = b'"' + b"9" * 9_000 + b'"'
    it.bench.do(PatchState("Counter", "big", False, None, ((b"x", text),), it.bench.now_ms))
    big = run("state", "get", "Counter", "big")
    assert big.out.endswith("9… (9,002 characters)\n") and len(big.out) < 2_100
    assert run("state", "get", "Counter", "big", "x").out == text.decode()
    for service, why in (("Countre", "no service 'Countre'"), ("Greeter", "a plain service")):
        wrong = run("state", "get", service, "k2")
        assert wrong.code == 1 and why in wrong.err
    assert run("state", "list").out.splitlines()[1].split() == ["Counter", "k", "3", "0"]
    listed = run("state", "list", "--limit", "1", "--json")
    assert [one["key"] for one in listed.json] == ["k"] and "--limit shows more" in listed.err


@pytest.mark.usefixtures("with_state")
def test_state_is_patched(it: World, run: Run) -> None:
    assert run("state", "patch", "Counter", "k", '{"new": "x", "tree": null}').code == 0
    # What was not named keeps its bytes.
    assert counter_state(it) == {b"count": b" 3 ", b"raw": b"\xff\x00", b"new": b'"x"'}
    assert run("state", "patch", "Counter", "k", '{"raw": {"$base64": "AAE="}}').code == 0
    assert counter_state(it)[b"raw"] == b"\x00\x01"
    before = len(it.engine.operations)
    assert "nothing" in run("state", "patch", "Counter", "k", '{"count": 3}').out
    for bad in ("[]", "{", '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": {"$base64": "?"}}',
                '{"a": "\\ud800"}', "[" * 100_000):  # fmt: skip
        assert run("state", "patch", "Counter", "k", bad).code == 2
    twice = run("state", "patch", "Counter", "k", '{"b": 1, "a": 1, "a": 2}')
    assert twice.code == 2 and "the name 'a' comes twice" in twice.err
    assert len(it.engine.operations) == before


@pytest.mark.usefixtures("with_state")
def test_state_is_cleared(it: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("state", "clear", "Counter", "k", "none", "--yes").code == 1
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert run("state", "clear", "Counter", "k").code == 2  # nobody there to ask
    assert len(counter_state(it)) == 3
    assert run("state", "clear", "Counter", "k", "raw", "--yes").code == 0
    assert set(counter_state(it)) == {b"count", b"tree"}
    assert run("state", "clear", "Counter", "k", "--yes").code == 0
    assert counter_state(it) == {}


@pytest.mark.usefixtures("with_state")
def test_state_is_edited(
    it: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/"count": 3/"count": 4/\' "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{editor}'")
    assert run("state", "edit", "Counter", "k").code == 0
    assert counter_state(it)[b"count"] == b"4" and counter_state(it)[b"raw"] == b"\xff\x00"
    editor.write_text("#!/bin/sh\necho '{' > \"$1\"\n")
    broken = run("state", "edit", "Counter", "k")
    kept = Path(broken.err.strip().rpartition(" ")[2])
    assert broken.code == 1 and kept.read_text() == "{\n"  # what was typed is not lost
    kept.unlink()
    monkeypatch.delenv("EDITOR")
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        alone = run("state", "edit", "Counter", "k")
    assert alone.code == 2 and "perdure state patch" in alone.err
    for wrong in ("false", "/nowhere/at/all", "'"):
        monkeypatch.setenv("EDITOR", wrong)
        assert run("state", "edit", "Counter", "k").code == 1


@pytest.mark.usefixtures("with_state")
def test_a_change_for_a_state_that_has_changed_is_dropped(it: World, run: Run) -> None:
    rows = it.query.rows

    def stale(sql: str) -> list[dict[str, Any]] | None:
        found = rows(sql)
        now = it.bench.now_ms
        it.bench.do(PatchState("Counter", "k", False, None, ((b"count", b"9"),), now))
        return found

    it.query.rows = stale
    assert run("state", "patch", "Counter", "k", '{"x": 1}').code == 0
    assert counter_state(it) == {b"count": b"9"}
    assert run("state", "patch", "Counter", "k", '{"x": 1}', "--force").code == 0
    assert counter_state(it) == {b"count": b"9", b"x": b"1"}


def test_sql(it: World, run: Run) -> None:
    it.query.rows = lambda sql: [{"a": 1, "b": "x\x1b[2Jy"}, {"c": True}]
    assert run("sql", "SELECT 1").out == (
        "a  b            c\n1  x\\u001b[2Jy  -\n-  -            yes\n"
    )
    assert run("sql", "SELECT 1", "--json").json[0]["b"] == "x\x1b[2Jy"
    it.query.rows = lambda sql: None
    bad = run("sql", "SELEC")
    assert bad.code == 1 and bad.err == (
        "perdure: cannot plan SELEC [PD0701]\nperdure explain PD0701 says what to do\n"
    )
    assert run("sql", " ").code == 2


def test_a_partial_answer_is_told_and_is_no_success(it: World, run: Run) -> None:
    it.query.missing = {1: "it is being restored", 3: "it is being restored"}
    for arguments in (
        ["invocations", "list"],
        ["sql", "SELECT 1"],
        ["invocations", "list", "--json"],
    ):
        it.query.rows = lambda sql: []
        done = run(*arguments)
        assert done.code == 4 and done.out
        assert done.err == (
            "warning: partitions 1,3 cannot be read now: what they hold is not shown\n"
        )
    it.query.rows = lambda sql: []
    unsure = run("deployments", "delete", "dp_1")
    assert unsure.code == 1 and "cannot say" in unsure.err


def test_what_the_server_cannot_know_is_an_error(it: World, run: Run) -> None:
    async def unreadable(sql: str) -> AsyncGenerator[bytes]:
        raise Unreadable("no rows can be read now")
        yield b""

    it.query._json = unreadable  # type: ignore[method-assign]
    it.metadata._is_known = False
    for arguments in (
        ["invocations", "list"],
        ["invocations", "describe", A],
        ["state", "get", "Counter", "k"],
        ["sql", "SELECT * FROM state"],
        ["deployments", "list"],
        ["services", "list"],
    ):
        done = run(*arguments)
        assert done.code == 1 and not done.out, arguments
        assert "no rows can be read now" in done.err or "not been read" in done.err


class Unreadable(BadQuery):
    status = 503


def test_the_address(it: World, run: Run) -> None:
    gone = run("services", "list", "--admin", "http://127.0.0.1:1")
    assert gone.code == 3 and "perdure serve" in gone.err
    assert run("--admin", it.url, "services", "list").code == 0
    for bad in ("ftp://x", "http://x:y", "http://"):
        assert run("services", "list", "--admin", bad).code == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["services"], ["services", "nothing"], ["invocations", "kill"],
     ["deployments", "register", URI, "--header", "x"], ["invocations", "list", "--status", "x"]],
)  # fmt: skip
def test_bad_usage(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2 and done.err


def test_help_and_version(run: Run) -> None:
    assert "deployments" in run("--help").out
    assert run("--version").out.startswith("perdure ")
    assert "--from" in run("invocations", "restart-as-new", "--help").out


def test_paths_hold_any_character() -> None:
    assert path("services", "a/b?c d") == "/services/a%2Fb%3Fc%20d"
