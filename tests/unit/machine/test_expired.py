"""What a workflow has is gone for everyone from the moment on at which it expires."""

import pytest

from orchestrator.machine.apply_chore import PROMISE_GONE
from orchestrator.model.answers import Answer
from orchestrator.model.effects import (
    CompletePromise,
    GetPromise,
    GetState,
    GetStateKeys,
    PeekPromise,
    SetState,
)
from orchestrator.model.ids import workflow_id
from orchestrator.model.records import Cancel, ChoreStep, PatchState, Purge, PurgeExpired
from orchestrator.model.values import WORKFLOW_RUN, WORKFLOW_SHARED
from perdure.wire import codes
from tests.unit.machine.bench import Bench, uid

RUN = workflow_id("W", "k")
KEPT_MS = 5_000


def ended() -> Bench:
    """The run of a workflow is over: it left state and a promise."""
    bench = Bench()
    run(bench)
    return bench


def run(bench: Bench) -> None:
    bench.invoke(RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=KEPT_MS)
    bench.flush(RUN, SetState(b"s", 0, 8), CompletePromise("p", 1, 0, 8))
    bench.finish(RUN)


def look(bench: Bench, number: int = 9) -> dict[int, bytes]:
    """What a shared handler sees: state, keys, the promise."""
    reader = uid(number)
    bench.invoke(reader, service="W", handler="look", key="k", kind=WORKFLOW_SHARED)
    bench.flush(reader, GetState(b"s", 1), GetStateKeys(2), PeekPromise("p", 3))
    return dict(bench.notifications(reader))


def clean_up(bench: Bench) -> None:
    keys = tuple(key for key, _ in bench.state.retention.scan())
    bench.do(PurgeExpired(bench.epoch, bench.now_ms, keys))
    while chores := [key for key, _ in bench.state.chores.scan()]:
        bench.do(ChoreStep(bench.epoch, bench.now_ms, chores[0]))


def test_until_it_expires_it_is_there() -> None:
    bench = ended()
    bench.now_ms += KEPT_MS - 1
    assert b"s" in look(bench)[codes.GET_LAZY_STATE_KEYS_COMPLETION]


@pytest.mark.parametrize("cleaned", [False, True])
def test_then_nobody_sees_it(cleaned: bool) -> None:
    before = look(Bench())
    bench = ended()
    bench.now_ms += KEPT_MS
    if cleaned:
        clean_up(bench)
    assert look(bench) == before


def test_a_promise_that_is_made_after_it_expired_outlives_the_clean_up() -> None:
    """It may be for the next run of the key."""
    bench = ended()
    bench.now_ms += KEPT_MS
    resolver = uid(7)
    bench.invoke(resolver, service="W", handler="tell", key="k", kind=WORKFLOW_SHARED)
    assert bench.flush(resolver, CompletePromise("p", 1, 0, 8)) is Answer.DONE
    clean_up(bench)
    assert bench.done(RUN) is None
    assert (
        look(bench)[codes.PEEK_PROMISE_COMPLETION] != look(Bench())[codes.PEEK_PROMISE_COMPLETION]
    )


@pytest.mark.parametrize("how", ["expire", "purge"])
def test_a_promise_that_is_made_after_the_run_goes_with_it(how: str) -> None:
    bench = Bench()
    bench.invoke(RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=KEPT_MS)
    bench.finish(RUN)  # it leaves nothing
    late = uid(7)
    bench.invoke(late, service="W", handler="wait", key="k", kind=WORKFLOW_SHARED)
    bench.flush(late, GetPromise("late", 1))
    assert [key for key, _ in bench.state.promises.scan()]
    if how == "purge":
        bench.do(Purge(RUN, bench.now_ms))
    else:
        bench.now_ms += KEPT_MS
    clean_up(bench)
    assert not list(bench.state.promises.scan()) and not list(bench.state.objects.scan())
    ((_, told),) = bench.notifications(late)
    assert PROMISE_GONE.message.encode() in told


def test_state_that_is_patched_after_the_run_goes_with_it() -> None:
    bench = Bench()
    bench.invoke(RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=KEPT_MS)
    bench.finish(RUN)
    bench.do(PatchState("W", "k", True, None, ((b"s", b"v"),), bench.now_ms))
    assert b"s" in look(bench)[codes.GET_LAZY_STATE_KEYS_COMPLETION]
    bench.now_ms += KEPT_MS
    assert look(bench, 10) == look(Bench(), 10)


def test_a_run_that_never_began_takes_its_promises_along() -> None:
    bench = Bench()
    bench.invoke(
        RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=KEPT_MS,
        start_at_ms=bench.now_ms + 99,
    )  # fmt: skip
    resolver = uid(7)
    bench.invoke(resolver, service="W", handler="tell", key="k", kind=WORKFLOW_SHARED)
    bench.flush(resolver, CompletePromise("p", 1, 0, 8))
    bench.do(Cancel(RUN, bench.now_ms))
    bench.now_ms += KEPT_MS
    assert look(bench) == look(Bench())


def test_the_next_run_has_nothing_of_the_last_one() -> None:
    bench = ended()
    bench.now_ms += KEPT_MS
    look(bench)
    bench.invoke(RUN, service="W", key="k", kind=WORKFLOW_RUN, retention_ms=KEPT_MS)
    bench.flush(RUN, SetState(b"mine", 0, 8))
    bench.now_ms += KEPT_MS
    clean_up(bench)  # of the last run
    assert b"mine" in look(bench, 10)[codes.GET_LAZY_STATE_KEYS_COMPLETION]
