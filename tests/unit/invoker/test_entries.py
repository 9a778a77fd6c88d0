"""Every command: the effect it becomes, and what is refused at the door."""

from collections.abc import Sequence

import msgspec
import pytest

from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.urgency import LATER, NOW, SOON
from orchestrator.model import effects, ids
from orchestrator.model.durations import DURATION_MS_MAX
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Failed, Journal
from orchestrator.model.values import (
    BY_SERVICE,
    OBJECT_EXCLUSIVE,
    OBJECT_SHARED,
    SERVICE,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Caller,
    Failure,
)
from perdure import wire
from perdure.wire import Message, encode
from tests.unit.invoker import samples

NOW_MS = 5_000
OTHER_ID = bytes(range(100, 124))
OTHER = wire.invocation_id_to_str(OTHER_ID)


def attempt_of(kind: int) -> Attempt:
    service = {SERVICE: "Svc", OBJECT_EXCLUSIVE: "Obj", OBJECT_SHARED: "Obj"}.get(kind, "Flow")
    key = "" if kind == SERVICE else "k"
    return samples.attempt(samples.given(samples.invoke(kind, service, key)))


def record(message: Message, kind: int = WORKFLOW_RUN) -> tuple[Journal, int]:
    attempt = attempt_of(kind)
    wants = attempt.receive(encode(message), NOW_MS)
    (journal,) = attempt.take()
    return journal, wants


def effect_of(message: Message, kind: int = WORKFLOW_RUN) -> effects.AnyEffect:
    journal, _ = record(message, kind)
    assert journal.end is None, journal.end
    (effect,) = journal.effects
    return effect


def refused(message: Message, kind: int = WORKFLOW_RUN) -> tuple[str, str]:
    journal, _ = record(message, kind)
    assert isinstance(journal.end, Failed)
    assert journal.entries == 0 and not journal.effects
    return journal.end.why.restate_code, journal.end.why.message


@pytest.mark.parametrize(
    ("message", "expected", "wanted"),
    [
        (wire.ClearStateCommand(b"a"), [effects.ClearState(b"a")], SOON),
        (wire.ClearAllStateCommand(), [effects.ClearAllState()], SOON),
        (wire.GetLazyStateCommand(b"a", 1), [effects.GetState(b"a", 1)], NOW),
        (wire.GetLazyStateKeysCommand(1), [effects.GetStateKeys(1)], NOW),
        (wire.GetEagerStateCommand(b"a", b"v"), [], LATER),
        (wire.GetEagerStateKeysCommand((b"a",)), [], LATER),
        (wire.GetPromiseCommand("p", 1), [effects.GetPromise("p", 1)], NOW),
        (wire.PeekPromiseCommand("p", 1), [effects.PeekPromise("p", 1)], NOW),
        (wire.SleepCommand(2**64 - 1, 1), [effects.Sleep(2**64 - 1, 1)], NOW),
        (wire.RunCommand(1), [], LATER),
        (wire.AttachInvocationCommand(OTHER, 1), [effects.Attach(OTHER_ID, 1)], NOW),
        (wire.GetInvocationOutputCommand(OTHER, 1), [effects.GetOutput(OTHER_ID, 1)], NOW),
        (
            wire.AttachInvocationCommand(wire.WorkflowTarget("Flow", "k"), 1),
            [effects.Attach(ids.workflow_id("Flow", "k"), 1)],
            NOW,
        ),
        (
            wire.AttachInvocationCommand(wire.IdempotentRequestTarget("Svc", "run", "i"), 1),
            [effects.Attach(ids.idempotent_id("Svc", None, "run", "i"), 1)],
            NOW,
        ),
        (  # results outlive their services
            wire.AttachInvocationCommand(wire.IdempotentRequestTarget("Nobody", "run", "i"), 1),
            [effects.Attach(ids.idempotent_id("Nobody", None, "run", "i"), 1)],
            NOW,
        ),
        (
            wire.GetInvocationOutputCommand(
                wire.IdempotentRequestTarget("Gone", "run", "i", "k"), 1
            ),
            [effects.GetOutput(ids.idempotent_id("Gone", "k", "run", "i"), 1)],
            NOW,
        ),
        (
            wire.GetInvocationOutputCommand(
                wire.IdempotentRequestTarget("Obj", "run", "i", "k"), 1
            ),
            [effects.GetOutput(ids.idempotent_id("Obj", "k", "run", "i"), 1)],
            NOW,
        ),
        (
            wire.SendSignalCommand(OTHER, 1, void=True),
            [effects.SendSignal(OTHER_ID, 1, "", -1, -1)],
            SOON,
        ),
        (
            wire.SendSignalCommand(OTHER, "name", failure=wire.WireFailure(400, "f")),
            [effects.SendSignal(OTHER_ID, 0, "name", -1, -1, Failure(400, "f"))],
            SOON,
        ),
        (
            wire.CompleteAwakeableCommand(
                wire.awakeable_id_to_str(OTHER_ID, 17), failure=wire.WireFailure(400, "f")
            ),
            [effects.SendSignal(OTHER_ID, 17, "", -1, -1, Failure(400, "f"))],
            SOON,
        ),
        (
            wire.CompletePromiseCommand("p", 1, failure=wire.WireFailure(400, "f")),
            [effects.CompletePromise("p", 1, -1, -1, Failure(400, "f"))],
            NOW,
        ),
        (
            wire.OutputCommand(failure=wire.WireFailure(409, "f", (("k", "v"),))),
            [effects.SetOutput(-1, -1, Failure(409, "f", (("k", "v"),)))],
            LATER,
        ),
    ],
)
def test_commands_become_effects(
    message: Message, expected: Sequence[effects.AnyEffect], wanted: int
) -> None:
    journal, wants = record(message)
    assert journal.end is None, journal.end
    assert list(journal.effects) == list(expected)
    assert (journal.entries, journal.commands) == (1, 1)
    assert wants == wanted


@pytest.mark.parametrize("content", [b"", b"v", b"x" * 200, b"y" * 70_000])
@pytest.mark.parametrize("make", ["output", "state", "promise", "signal", "awakeable"])
def test_values_are_named_by_their_place(make: str, content: bytes) -> None:
    made: dict[str, Message] = {
        "output": wire.OutputCommand(value=content),
        "state": wire.SetStateCommand(b"k", content),
        "promise": wire.CompletePromiseCommand("p", 1, value=content),
        "signal": wire.SendSignalCommand(OTHER, 17, value=content),
        "awakeable": wire.CompleteAwakeableCommand(
            wire.awakeable_id_to_str(OTHER_ID, 17), value=content
        ),
    }
    journal, _ = record(made[make])
    (effect,) = journal.effects
    start, end = effect.start, effect.end  # type: ignore[union-attr]
    assert journal.frames[start:end] == content and start >= 0


def test_a_call_is_resolved_at_the_door() -> None:
    message = wire.CallCommand("Obj", "run", b"parameter", 4, 5, key="k", headers=(("h", "v"),))
    journal, wants = record(message)
    (effect,) = journal.effects
    assert isinstance(effect, effects.Call) and wants == NOW
    assert (effect.id_completion_id, effect.result_completion_id) == (4, 5)
    assert journal.frames[effect.start : effect.end] == b"parameter"
    invoke = effect.invoke
    assert (invoke.service, invoke.handler, invoke.key) == ("Obj", "run", "k")
    assert (invoke.kind, invoke.body, invoke.headers) == (OBJECT_EXCLUSIVE, b"", (("h", "v"),))
    assert invoke.caller == Caller(samples.OWN_ID, 7, 5)
    assert (invoke.by, invoke.by_id, invoke.by_target) == (
        BY_SERVICE,
        samples.OWN_ID,
        "Flow/k/run",
    )
    assert invoke.created_at_ms == NOW_MS
    assert invoke.id[:8] == ids.key_partition_key("k")
    assert invoke.journal_retention_ms == 24 * 3600 * 1000


def call(message: wire.CallCommand | wire.OneWayCallCommand, kind: int = SERVICE) -> Invoke:
    effect = effect_of(message, kind)
    assert isinstance(effect, effects.Call)
    return effect.invoke


def test_a_call_without_a_key_stays_in_its_callers_partition() -> None:
    for count in (1, 3, 4, 24):
        for entropy in (0, 2**64 - 1, 12345):
            callees = samples.callees(count, lambda entropy=entropy: entropy)  # type: ignore[misc]
            invoke = callees.invoke(
                samples.invoke(), wire.CallCommand("Svc", "run", b"", 1, 2), None, 0, 0
            )
            assert len(invoke.id) == 24
            assert ids.partition_of(invoke.id, count) == ids.partition_of(samples.OWN_ID, count)


def test_ids_that_keys_stand_for() -> None:
    assert call(wire.CallCommand("Flow", "run", b"", 1, 2, key="k")).id == ids.workflow_id(
        "Flow", "k"
    )
    with_key = wire.CallCommand("Svc", "run", b"", 1, 2, idempotency_key="i")
    assert call(with_key).id == ids.idempotent_id("Svc", None, "run", "i")
    assert call(with_key).idempotency_key == "i"
    on_object = wire.CallCommand("Obj", "run", b"", 1, 2, key="k", idempotency_key="i")
    assert call(on_object).id == ids.idempotent_id("Obj", "k", "run", "i")
    run = wire.CallCommand("Flow", "run", b"", 1, 2, key="k", idempotency_key="i")
    assert call(run).id == ids.workflow_id("Flow", "k")


def test_a_send_has_no_caller_and_may_start_later() -> None:
    at_once = wire.OneWayCallCommand("Svc", "run", b"p", 1)
    journal, wants = record(at_once, SERVICE)
    (effect,) = journal.effects
    assert isinstance(effect, effects.Call) and wants == SOON
    assert (effect.id_completion_id, effect.result_completion_id) == (1, 0)
    assert effect.invoke.caller is None and effect.invoke.start_at_ms == 0
    assert journal.frames[effect.start : effect.end] == b"p"
    later = wire.OneWayCallCommand("Svc", "run", b"", 1, invoke_time=NOW_MS + 1)
    assert call(later).start_at_ms == NOW_MS + 1
    never = wire.OneWayCallCommand("Svc", "run", b"", 1, invoke_time=2**64 - 1)
    assert call(never).start_at_ms == NOW_MS + DURATION_MS_MAX
    past = wire.OneWayCallCommand("Svc", "run", b"", 1, invoke_time=NOW_MS)
    assert call(past).start_at_ms == 0


def test_the_trace_goes_on_in_calls() -> None:
    own = msgspec.structs.replace(samples.invoke(), trace=("parent", "state"))
    attempt = samples.attempt(samples.given(own))
    attempt.receive(encode(wire.CallCommand("Svc", "run", b"", 1, 2)), NOW_MS)
    (effect,) = attempt.take()[0].effects
    assert isinstance(effect, effects.Call) and effect.invoke.trace == ("parent", "state")


STATE_COMMANDS: list[Message] = [
    wire.SetStateCommand(b"k", b"v"),
    wire.ClearStateCommand(b"k"),
    wire.ClearAllStateCommand(),
]
STATE_READS: list[Message] = [
    wire.GetLazyStateCommand(b"k", 1),
    wire.GetLazyStateKeysCommand(1),
    wire.GetEagerStateCommand(b"k", void=True),
    wire.GetEagerStateKeysCommand(()),
]
PROMISES: list[Message] = [
    wire.GetPromiseCommand("p", 1),
    wire.PeekPromiseCommand("p", 1),
    wire.CompletePromiseCommand("p", 1, value=b""),
]


@pytest.mark.parametrize("message", STATE_COMMANDS)
@pytest.mark.parametrize("kind", [SERVICE, OBJECT_SHARED, WORKFLOW_SHARED])
def test_only_those_who_hold_the_key_change_state(message: Message, kind: int) -> None:
    assert refused(message, kind)[0] == "RT0017"


@pytest.mark.parametrize("message", STATE_COMMANDS)
@pytest.mark.parametrize("kind", [OBJECT_EXCLUSIVE, WORKFLOW_RUN])
def test_those_who_hold_the_key_do(message: Message, kind: int) -> None:
    assert record(message, kind)[0].end is None


@pytest.mark.parametrize("message", STATE_READS)
def test_a_plain_service_has_no_state(message: Message) -> None:
    assert refused(message, SERVICE)[0] == "RT0017"
    assert record(message, OBJECT_SHARED)[0].end is None


@pytest.mark.parametrize("message", PROMISES)
def test_only_workflows_have_promises(message: Message) -> None:
    for kind in (SERVICE, OBJECT_EXCLUSIVE, OBJECT_SHARED):
        assert refused(message, kind)[0] == "RT0017"
    assert record(message, WORKFLOW_SHARED)[0].end is None


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (wire.CallCommand("Nobody", "run", b"", 1, 2), "RT0018", "service 'Nobody' not found"),
        (wire.CallCommand("Svc", "no", b"", 1, 2), "RT0018", "handler 'no' not found"),
        (wire.OneWayCallCommand("Nobody", "run", b"", 1), "RT0018", "not found"),
        (wire.CallCommand("Obj", "run", b"", 1, 2), "RT0017", "needs a key"),
        (wire.CallCommand("Svc", "run", b"", 1, 2, key="k"), "RT0017", "no keys"),
        (
            wire.CallCommand("Svc", "run", b"", 1, 2, idempotency_key=""),
            "RT0017",
            "idempotency key is empty",
        ),
        (wire.CallCommand("Obj", "run", b"", 1, 2, key="k" * 5000), "RT0017", "longer than"),
        (wire.CallCommand("Svc", "run", b"", 1, 2, scope="s"), "RT0024", "scopes"),
        (wire.CallCommand("Svc", "run", b"", 1, 2, limit_key="s"), "RT0024", "limit keys"),
        (
            wire.CallCommand("Svc", "run", b"", 1, 2, headers=(("h", "v" * 270_000),)),
            "RT0017",
            "headers",
        ),
        (wire.CallCommand("Svc", "run", b"", 1, 0), "RT0012", "completion id"),
        (wire.CallCommand("Svc", "run", b"", 0, 1), "RT0012", "completion id"),
        (wire.OneWayCallCommand("Svc", "run", b"", 0), "RT0012", "completion id"),
        (wire.SleepCommand(1, 0), "RT0012", "completion id"),
        (wire.RunCommand(0), "RT0012", "completion id"),
        (wire.GetPromiseCommand("p" * 5000, 1), "RT0017", "longer than"),
        (wire.SetStateCommand(b"k" * 5000, b""), "RT0017", "longer than"),
        (wire.AttachInvocationCommand("inv_1no", 1), "RT0017", "inv_1no"),
        (wire.AttachInvocationCommand(None, 1), "RT0012", "names no invocation"),
        (wire.GetInvocationOutputCommand("dp_x", 1), "RT0017", "dp_x"),
        (
            wire.AttachInvocationCommand(wire.WorkflowTarget("Flow", "k", scope="s"), 1),
            "RT0024",
            "scopes",
        ),
        (wire.SendSignalCommand("x", 1, void=True), "RT0017", "x"),
        (wire.SendSignalCommand(OTHER, None, void=True), "RT0012", "neither number nor name"),
        (wire.SendSignalCommand(OTHER, 0, void=True), "RT0012", "neither number nor name"),
        (wire.CompleteAwakeableCommand("sign_1x", value=b""), "RT0017", "sign_1x"),
        (
            wire.CompleteAwakeableCommand(wire.awakeable_id_to_str(OTHER_ID, 17)),
            "RT0012",
            "with nothing",
        ),
        (wire.CompletePromiseCommand("p", 1), "RT0012", "with nothing"),
    ],
)
def test_what_is_refused_fails_the_attempt(message: Message, code: str, text: str) -> None:
    restate_code, why = refused(message)
    assert restate_code == code, why
    assert text in why


def test_an_awakeable_of_the_old_kind_is_kept_and_wakes_nobody() -> None:
    attempt = attempt_of(SERVICE)
    attempt.receive(encode(wire.CompleteAwakeableCommand("prom_1" + "A" * 38, value=b"")), NOW_MS)
    (journal,) = attempt.take()
    assert (journal.entries, journal.effects, journal.end) == (1, (), None)


def test_commands_after_a_refused_one_are_discarded() -> None:
    attempt = attempt_of(SERVICE)
    data = (
        encode(wire.RunCommand(1))
        + encode(wire.CallCommand("Nobody", "x", b"", 1, 2))
        + encode(wire.RunCommand(3))
    )
    attempt.receive(data, NOW_MS)
    (journal,) = attempt.take()
    assert journal.entries == 1 and isinstance(journal.end, Failed)


@pytest.mark.parametrize(("code", "kept"), [(0, 500), (65_535, 65_535), (65_536, 500), (409, 409)])
def test_codes_of_failures_have_sixteen_bits(code: int, kept: int) -> None:
    effect = effect_of(wire.OutputCommand(failure=wire.WireFailure(code, "x")))
    assert isinstance(effect, effects.SetOutput) and effect.failure == Failure(kept, "x")


def test_long_failures_are_cut_beside_the_frames() -> None:
    failure = wire.WireFailure(400, "m" * 100_000, (("k", "v" * 100_000),))
    effect = effect_of(wire.OutputCommand(failure=failure))
    assert isinstance(effect, effects.SetOutput) and effect.failure is not None
    assert len(effect.failure.message) == 32 * 1024 and effect.failure.metadata == ()
