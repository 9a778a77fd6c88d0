"""Operations on invocations over HTTP, applied by the real machine."""

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.machine import apply_signal
from orchestrator.model.effects import Sleep
from orchestrator.model.ids import random_seed
from orchestrator.model.records import Failed, Pause, Suspended
from orchestrator.model.values import (
    BY_RESTART,
    INVOKED,
    OBJECT_EXCLUSIVE,
    PAUSED,
    THEN_PAUSE,
    WORKFLOW_RUN,
    Attempted,
    Failure,
    Future,
)
from orchestrator.processor.port import Unavailable
from perdure.wire import codes, outgoing
from perdure.wire import messages as wire
from perdure.wire.commands import RunCommand
from perdure.wire.commands import SleepCommand as SleepCommand
from perdure.wire.ids import invocation_id_to_str, parse_invocation_id
from tests.unit.admin.world import GREETER, URI, Answered, World, world
from tests.unit.machine.bench import uid
from tests.unit.registry.samples import discovered

A, B, C = uid(1), uid(2), uid(3)
OTHER = "http://127.0.0.1:9081/"
SLEEP = wire.encode(SleepCommand(5_000_000, 1))


@pytest.fixture
def it() -> Iterator[World]:
    with world() as made:
        made.endpoints[OTHER] = discovered(GREETER)
        yield made


def act(it: World, name: str, identity: bytes = A, query: str = "") -> Answered:
    return it.ask("PATCH", f"/v4/invocations/{invocation_id_to_str(identity)}/{name}{query}")


def running(it: World) -> None:
    it.bench.invoke(A)


def queued(it: World) -> None:
    it.bench.invoke(B, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)
    it.bench.invoke(A, service="Counter", handler="add", key="k", kind=OBJECT_EXCLUSIVE)


def scheduled(it: World) -> None:
    it.bench.invoke(A, start_at_ms=it.bench.now_ms + 1000)


def suspended(it: World) -> None:
    it.bench.invoke(A)
    it.bench.flush(A, Sleep(5_000_000, 1), frames=SLEEP, end=Suspended(Future((1,), (1,)), seen=2))


def paused(it: World) -> None:
    it.bench.invoke(A)
    it.bench.flush(A, end=Failed(Attempted(500, "broken"), THEN_PAUSE, 70))


def completed(it: World) -> None:
    it.bench.invoke(A)
    it.bench.finish(A)


def unknown(it: World) -> None:
    pass


STATES = [running, queued, scheduled, suspended, paused, completed, unknown]
STATUSES = {
    "cancel": [202, 200, 200, 202, 202, 409, 404],
    "kill": [200, 200, 200, 200, 200, 409, 404],
    "pause": [202, 409, 409, 200, 200, 409, 404],
    "resume": [200, 425, 425, 200, 200, 409, 404],
    "purge": [409, 409, 409, 409, 409, 200, 404],
    "purge-journal": [409, 409, 409, 409, 409, 200, 404],
    "restart-as-new": [409, 425, 425, 409, 409, 200, 404],
}


@pytest.mark.parametrize("name", STATUSES)
@pytest.mark.parametrize("number", range(len(STATES)), ids=lambda n: STATES[n].__name__)
def test_every_operation_on_every_state(it: World, name: str, number: int) -> None:
    it.register()
    STATES[number](it)
    answer = act(it, name)
    assert answer.status == STATUSES[name][number], answer
    if answer.status >= 400:
        assert invocation_id_to_str(A) in answer.json["message"]


@pytest.mark.parametrize("name", STATUSES)
@pytest.mark.parametrize("text", ["inv_1", "x", "inv_1" + "!" * 33, "inv_1" + "Z" * 33])
def test_ids_that_are_none(it: World, name: str, text: str) -> None:
    answer = it.ask("PATCH", f"/invocations/{text}/{name}")
    assert answer.status == 400 and answer.json["message"]


@pytest.mark.parametrize("mode", ["cancel", "kill", "purge", "Cancel", "Kill", "PURGE"])
def test_the_old_way_to_end_one(it: World, mode: str) -> None:
    (completed if mode.lower() == "purge" else running)(it)
    path = f"/invocations/{invocation_id_to_str(A)}"
    answer = it.ask("DELETE", f"{path}?mode={mode}")
    assert (answer.status, answer.body) == (202, b"")
    assert it.ask("DELETE", f"{path}?mode=other").status == 400


def test_who_cancels_one_that_takes_no_more_signals_is_told(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_signal, "SIGNALS_MAX", 0)
    monkeypatch.setattr(apply_signal, "CANCELS_SPARE", 2)
    suspended(it)
    assert [act(it, "cancel").status for _ in range(3)] == [202, 202, 429]
    assert "signals wait for it" in act(it, "cancel").json["message"]
    assert act(it, "kill").status == 200, "it can be ended all the same"


def test_what_a_kill_leaves(it: World) -> None:
    running(it)
    act(it, "kill")
    done = it.bench.done(A)
    assert done is not None and done.outcome == Failure(409, "killed")


class TestResume:
    def test_on_the_latest_deployment(self, it: World) -> None:
        it.register()
        second = it.register(OTHER)["id"]
        paused(it)
        assert act(it, "resume", query="?deployment=latest").status == 200
        row = it.bench.live(A)
        assert row is not None and (row.deployment, row.status) == (second, INVOKED)
        assert row.protocol == 6  # that of its journal stays

    def test_on_one_by_id(self, it: World) -> None:
        first = it.register()["id"]
        it.register(OTHER)
        paused(it)
        assert act(it, "resume", query=f"?deployment={first}").status == 200
        row = it.bench.live(A)
        assert row is not None and row.deployment == first

    def test_one_that_was_never_pinned_gets_a_protocol(self, it: World) -> None:
        first = it.register()["id"]
        it.bench.invoke(A)
        it.bench.do(Pause(A, it.bench.now_ms))
        row = it.bench.live(A)
        assert row is not None
        it.bench.flush(A, end=Failed(Attempted(500, "x"), THEN_PAUSE, 1))
        row.protocol, row.deployment = 0, ""
        assert row.status == PAUSED
        assert act(it, "resume", query=f"?deployment={first}").status == 200
        assert (row.deployment, row.protocol) == (first, 7)

    def test_not_while_it_runs(self, it: World) -> None:
        it.register()
        running(it)
        assert act(it, "resume", query="?deployment=latest").status == 400
        assert act(it, "resume", query="?deployment=keep").status == 200

    def test_on_one_that_is_not_there(self, it: World) -> None:
        paused(it)
        assert act(it, "resume", query="?deployment=latest").status == 404
        unknown = act(it, "resume", query="?deployment=dp_x")
        assert unknown.status == 404 and "perdure deployments list" in unknown.json["message"]

    def test_on_one_that_does_not_fit(self, it: World) -> None:
        paused(it)
        old = discovered(GREETER, maxProtocolVersion=5)
        it.endpoints[OTHER] = old
        speaks_less = it.register(OTHER)["id"]
        answer = act(it, "resume", query=f"?deployment={speaks_less}")
        assert answer.status == 400 and "stays on 6" in answer.json["message"]
        it.endpoints[URI] = discovered(GREETER | {"handlers": [{"name": "other"}]})
        without = it.register()["id"]
        answer = act(it, "resume", query=f"?deployment={without}")
        assert answer.status == 400 and "does not serve" in answer.json["message"]


class TestRestart:
    """The journal is Input, Run, its result, Sleep, its completion, Output."""

    @pytest.fixture
    def first(self, it: World) -> str:
        made: str = it.register()["id"]
        it.bench.invoke(A, idempotency_key="k")
        run = wire.encode(RunCommand(1, "step"))
        result = outgoing.completion_value(codes.RUN_COMPLETION, 1, b"7")
        sleep = wire.encode(SleepCommand(5_000_000, 2))
        woken = outgoing.completion_void(codes.SLEEP_COMPLETION, 2)
        it.bench.flush(A, frames=run + result + sleep + woken)
        it.bench.finish(A)
        row = it.bench.done(A)
        assert row is not None
        row.deployment = made
        return made

    def restarted(self, it: World, query: str = "") -> Any:
        answer = act(it, "restart-as-new", query=query)
        assert answer.status == 200, answer
        new_id = parse_invocation_id(answer.json["new_invocation_id"])
        row = it.bench.live(new_id)
        assert row is not None
        return row

    def test_from_the_input(self, it: World, first: str) -> None:
        row = self.restarted(it)
        invoke = row.invoke
        assert invoke.id[:8] == A[:8] and invoke.id != A
        assert (invoke.body, invoke.restarted_from, invoke.by) == (b"in", A, BY_RESTART)
        assert invoke.idempotency_key is None and invoke.prefix is None and invoke.seed == 0
        assert (row.deployment, row.entries, row.commands) == ("", 1, 1)

    def test_from_a_prefix_whose_result_comes_later(self, it: World, first: str) -> None:
        row = self.restarted(it, "?from=1")
        assert (row.entries, row.commands, row.completions) == (3, 2, {1: 1})
        assert row.invoke.seed == random_seed(A)
        assert (row.deployment, row.protocol) == (first, 6)
        names = [wire_name for wire_name, _ in it.bench.notifications(row.invoke.id)]
        assert names == [codes.RUN_COMPLETION]

    def test_from_further_on(self, it: World, first: str) -> None:
        row = self.restarted(it, "?from=4&deployment=keep")
        assert (row.entries, row.commands, row.completions) == (5, 3, {1: 1, 2: 1})

    @pytest.mark.parametrize(
        ("query", "status"),
        [("?from=5", 400), ("?from=6", 400), ("?from=-1", 400), ("?from=x", 400),
         ("?deployment=dp_x", 404), ("?from=1&deployment=dp_x", 404)],
    )  # fmt: skip
    def test_what_cannot_be(self, it: World, first: str, query: str, status: int) -> None:
        assert act(it, "restart-as-new", query=query).status == status
        assert not it.engine.invokes

    def test_on_another_deployment(self, it: World, first: str) -> None:
        second = it.register(OTHER)["id"]
        assert self.restarted(it, "?from=1").deployment == second
        assert self.restarted(it, f"?deployment={first}").deployment == first
        assert self.restarted(it, "?deployment=keep").deployment == first

    def test_on_one_that_speaks_another_protocol(self, it: World, first: str) -> None:
        it.endpoints[OTHER] = discovered(GREETER, maxProtocolVersion=5)
        it.register(OTHER)
        assert act(it, "restart-as-new", query="?from=1").status == 400
        assert act(it, "restart-as-new", query="?from=0").status == 200

    def test_from_a_journal_of_an_old_protocol(self, it: World, first: str) -> None:
        row = it.bench.done(A)
        assert row is not None
        row.protocol = 5
        assert act(it, "restart-as-new", query="?from=1").status == 422
        assert act(it, "restart-as-new").status == 200

    def test_a_command_without_its_result(self, it: World) -> None:
        it.register()
        suspended(it)
        act(it, "kill")
        answer = act(it, "restart-as-new", query="?from=1")
        assert answer.status == 400 and "Sleep" in answer.json["message"]

    def test_a_journal_that_is_gone(self, it: World, first: str) -> None:
        act(it, "purge-journal")
        assert act(it, "restart-as-new").status == 410

    def test_a_workflow(self, it: World) -> None:
        it.register()
        it.bench.invoke(A, service="Signup", handler="run", key="k", kind=WORKFLOW_RUN)
        while_it_runs = act(it, "restart-as-new")
        it.bench.finish(A)
        for answer in (while_it_runs, act(it, "restart-as-new")):
            assert answer.status == 422 and "purged, it can be called" in answer.json["message"]
        assert act(it, "purge").status == 200
        it.bench.invoke(A, service="Signup", handler="run", key="k", kind=WORKFLOW_RUN)
        assert it.bench.live(A) is not None

    def test_a_journal_that_has_expired_before_its_result(self, it: World, first: str) -> None:
        row = it.bench.done(A)
        assert row is not None
        row.journal_expires_at_ms = it.bench.now_ms + 1_000
        assert act(it, "restart-as-new").status == 200
        it.bench.now_ms += 1_000
        assert act(it, "restart-as-new").status == 410

    def test_one_that_has_expired(self, it: World, first: str) -> None:
        it.bench.now_ms += 10 * 86_400_000
        assert act(it, "restart-as-new").status == 404


class TestBatches:
    def ask(self, it: World, name: str, ids: list[str], **more: str) -> Answered:
        body = {"invocation_ids": ids, **more}
        return it.ask("POST", f"/internal/invocations_batch_operations/{name}", body)

    def test_some_succeed_and_some_do_not(self, it: World) -> None:
        running(it)
        known, stranger = invocation_id_to_str(A), invocation_id_to_str(C)
        found = self.ask(it, "kill", [known, stranger, "x", known]).json
        assert found["succeeded"] == [known]
        assert {one["invocation_id"] for one in found["failed"]} == {stranger, "x"}
        assert all(one["error"] for one in found["failed"])

    @pytest.mark.parametrize("name", ["cancel", "pause", "purge", "purge-journal", "resume"])
    def test_all_of_them(self, it: World, name: str) -> None:
        it.register()
        (completed if "purge" in name else paused)(it)
        known = invocation_id_to_str(A)
        assert self.ask(it, name, [known]).json == {"succeeded": [known], "failed": []}

    def test_restart(self, it: World) -> None:
        it.register()
        completed(it)
        known = invocation_id_to_str(A)
        (pair,) = self.ask(it, "restart-as-new", [known]).json["succeeded"]
        assert pair["old_invocation_id"] == known
        assert it.bench.live(parse_invocation_id(pair["new_invocation_id"])) is not None

    def test_resume_elsewhere(self, it: World) -> None:
        first = it.register()["id"]
        it.register(OTHER)
        paused(it)
        self.ask(it, "resume", [invocation_id_to_str(A)], deployment=first)
        row = it.bench.live(A)
        assert row is not None and row.deployment == first

    def test_too_many(self, it: World) -> None:
        assert self.ask(it, "kill", ["x"] * 1001).status == 400
        assert self.ask(it, "kill", []).json == {"succeeded": [], "failed": []}


@pytest.mark.parametrize("asked", ["restart-as-new", "resume?deployment=latest"])
def test_a_row_that_cannot_be_read_is_no_unknown_invocation(it: World, asked: str) -> None:
    it.register()
    it.bench.invoke(A)
    it.bench.finish(A)
    it.engine.refuse = Unavailable("partition 0 is being restored", False)
    answer = it.ask("PATCH", f"/invocations/{invocation_id_to_str(A)}/{asked}")
    assert answer.status == 503 and "being restored" in answer.json["message"]
