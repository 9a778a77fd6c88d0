"""Journal entries as JSON, in the shapes that other people's programs read."""

from typing import Any

import orjson
import pytest

from orchestrator.model.rows import JournalChunk
from orchestrator.model.values import OBJECT_SHARED, SERVICE, WORKFLOW_RUN, Future
from orchestrator.sql import words
from orchestrator.sql.entries import entries
from orchestrator.sql.entry_shapes import Callee
from perdure.wire import codes
from perdure.wire.calls import AttachInvocationCommand, CallCommand, OneWayCallCommand
from perdure.wire.commands import (
    CompleteAwakeableCommand,
    InputCommand,
    OutputCommand,
    RunCommand,
    SendSignalCommand,
    SleepCommand,
)
from perdure.wire.frames import frame
from perdure.wire.messages import Message, encode
from perdure.wire.notifications import Notification
from perdure.wire.promises import CompletePromiseCommand
from perdure.wire.state import (
    ClearAllStateCommand,
    GetEagerStateCommand,
    GetEagerStateKeysCommand,
    SetStateCommand,
)
from perdure.wire.values import WireFailure, WorkflowTarget

CALLEES = {
    ("Wf", "run"): Callee(WORKFLOW_RUN),
    ("Obj", "get"): Callee(OBJECT_SHARED),
    ("Svc", "svc"): Callee(SERVICE, (1, 2), (3_500, 4_000)),
}
ALL = ["entry_json", "entry_lite_json"]


def shown(*messages: Message) -> list[tuple[str, Any, Any]]:
    raw = b"".join(encode(message) for message in messages)
    return [
        (e["entry_type"], orjson.loads(e["entry_json"]), orjson.loads(e["entry_lite_json"]))
        for e in entries([JournalChunk(1, raw)], ALL, CALLEES)
    ]


@pytest.mark.parametrize(
    ("message", "whole", "light"),
    [
        (
            InputCommand((("a", "b"),), b"x"),
            {"headers": [{"name": "a", "value": "b"}], "payload": [120], "name": ""},
            {},
        ),
        (OutputCommand(b"x"), {"result": {"Success": [120]}, "name": ""}, {"result": "Success"}),
        (
            OutputCommand(failure=WireFailure(418, "no", (("k", "v"),))),
            {
                "result": {
                    "Failure": {
                        "code": 418,
                        "message": "no",
                        "metadata": [{"key": "k", "value": "v"}],
                    }
                },
                "name": "",
            },
            {"result": "Failure"},
        ),
        (
            RunCommand(1, "step"),
            {"completion_id": 1, "name": "step"},
            {"completion_id": 1, "name": "step"},
        ),
        (
            SleepCommand(7, 2),
            {"wake_up_time": 7, "completion_id": 2, "name": ""},
            {"wake_up_time": 7, "completion_id": 2},
        ),
        (SetStateCommand(b"k", b"v"), {"key": "k", "value": [118], "name": ""}, {"key": "k"}),
        (ClearAllStateCommand(), {"name": ""}, {}),
        (
            GetEagerStateCommand(b"k", void=True),
            {"key": "k", "result": "Void", "name": ""},
            {"key": "k", "result": "Void"},
        ),
        (GetEagerStateKeysCommand((b"k",)), {"state_keys": ["k"], "name": ""}, {}),
        (
            CompletePromiseCommand("p", 3, b"v"),
            {"key": "p", "value": {"Success": [118]}, "completion_id": 3, "name": ""},
            {"key": "p", "completion_id": 3},
        ),
        (
            SendSignalCommand("inv_1", 1, void=True),
            {
                "target_invocation_id": "inv_1",
                "signal_id": {"Index": 1},
                "result": "Void",
                "name": "",
            },
            {"target_invocation_id": "inv_1", "signal_id": {"Index": 1}, "result": "Void"},
        ),
        (
            CompleteAwakeableCommand("sign_1", b"v"),
            {"id": "sign_1", "result": {"Success": [118]}, "name": ""},
            {"id": "sign_1", "result": "Success"},
        ),
        (
            AttachInvocationCommand("inv_1", 7),
            {"target": {"InvocationId": "inv_1"}, "completion_id": 7, "name": ""},
            {"target": {"InvocationId": "inv_1"}, "completion_id": 7},
        ),
        (
            AttachInvocationCommand(WorkflowTarget("Wf", "w"), 7),
            {
                "target": {"Workflow": {"workflow_name": "Wf", "workflow_key": "w", "scope": None}},
                "completion_id": 7,
                "name": "",
            },
            {
                "target": {"Workflow": {"workflow_name": "Wf", "workflow_key": "w", "scope": None}},
                "completion_id": 7,
            },
        ),
    ],
)
def test_commands(message: Message, whole: Any, light: Any) -> None:
    ((entry_type, found, found_light),) = shown(message)
    kind = type(message).__name__.removesuffix("Command")
    assert entry_type == f"Command: {kind}"
    assert found == {"Command": {kind: whole}} and found_light == {"Command": {kind: light}}


@pytest.mark.parametrize(
    ("service", "handler", "key", "target"),
    [
        ("Svc", "svc", "", {"Service": {"name": "Svc", "handler": "svc", "scope": None}}),
        (
            "Wf",
            "run",
            "w",
            {
                "Workflow": {
                    "name": "Wf",
                    "key": "w",
                    "handler": "run",
                    "handler_ty": "Workflow",
                    "scope": None,
                }
            },
        ),
        (
            "Obj",
            "get",
            "",
            {
                "VirtualObject": {
                    "name": "Obj",
                    "key": "",
                    "handler": "get",
                    "handler_ty": "Shared",
                    "scope": None,
                }
            },
        ),
    ],
)
def test_calls_name_their_callee(service: str, handler: str, key: str, target: Any) -> None:
    call = CallCommand(
        service, handler, b"x", 1, 2, key, headers=(("h", "v"),), idempotency_key="i"
    )
    told = Notification(codes.CALL_INVOCATION_ID_COMPLETION, 1, invocation_id="inv_9")
    (_, whole, light), (entry_type, _, _) = shown(call, told)
    request = whole["Command"]["Call"]["request"]
    assert request.pop("span_context")["span_context"]["trace_flags"] == 0
    kept = [request.pop(f"{one}_retention_duration") for one in ("completion", "journal")]
    if service == "Svc":
        assert kept == [{"secs": 3, "nanos": 500_000_000}, {"secs": 4, "nanos": 0}]
    assert whole["Command"]["Call"] == {
        "request": {
            "invocation_id": "inv_9",
            "invocation_target": target,
            "parameter": [120],
            "headers": [{"name": "h", "value": "v"}],
            "idempotency_key": "i",
        },
        "invocation_id_completion_id": 1,
        "result_completion_id": 2,
        "name": "",
    }
    assert light["Command"]["Call"] == {
        "invocation_id": "inv_9",
        "invocation_target": target,
        "invocation_id_completion_id": 1,
        "result_completion_id": 2,
    }
    assert entry_type == "Notification: CallInvocationId"
    ((_, _, sent),) = shown(OneWayCallCommand(service, handler, b"x", 1, 55, key))
    assert sent["Command"]["OneWayCall"] == {
        "invocation_id": None,
        "invocation_target": target,
        "invoke_time": 55,
        "invocation_id_completion_id": 1,
    }


@pytest.mark.parametrize(
    ("message", "whole", "light"),
    [
        (
            Notification(codes.RUN_COMPLETION, 1, value=b"x"),
            {"Completion": {"Run": {"completion_id": 1, "result": {"Success": [120]}}}},
            {"ty": {"Completion": "Run"}, "id": {"CompletionId": 1}, "result": "Success"},
        ),
        (
            Notification(codes.SLEEP_COMPLETION, 1, void=True),
            {"Completion": {"Sleep": {"completion_id": 1}}},
            {"ty": {"Completion": "Sleep"}, "id": {"CompletionId": 1}, "result": "Void"},
        ),
        (
            Notification(codes.CALL_INVOCATION_ID_COMPLETION, 1, invocation_id="inv_1"),
            {"Completion": {"CallInvocationId": {"completion_id": 1, "invocation_id": "inv_1"}}},
            {
                "ty": {"Completion": "CallInvocationId"},
                "id": {"CompletionId": 1},
                "result": "InvocationId",
            },
        ),
        (
            Notification(codes.GET_LAZY_STATE_KEYS_COMPLETION, 1, state_keys=(b"k",)),
            {"Completion": {"GetLazyStateKeys": {"completion_id": 1, "state_keys": ["k"]}}},
            {
                "ty": {"Completion": "GetLazyStateKeys"},
                "id": {"CompletionId": 1},
                "result": "StateKeys",
            },
        ),
        (
            Notification(codes.SIGNAL_NOTIFICATION, signal=17, failure=WireFailure(500, "no")),
            {
                "Signal": {
                    "id": {"Index": 17},
                    "result": {"Failure": {"code": 500, "message": "no"}},
                }
            },
            {"ty": "Signal", "id": {"SignalIndex": 17}, "result": "Failure"},
        ),
        (
            Notification(codes.SIGNAL_NOTIFICATION, signal="go", void=True),
            {"Signal": {"id": {"Name": "go"}, "result": "Void"}},
            {"ty": "Signal", "id": {"SignalName": "go"}, "result": "Void"},
        ),
    ],
)
def test_notifications(message: Message, whole: Any, light: Any) -> None:
    ((_, found, found_light),) = shown(message)
    assert found == {"Notification": whole} and found_light == {"Notification": light}


def test_what_cannot_be_decoded_is_still_there() -> None:
    (entry,) = entries([JournalChunk(1, frame(codes.RUN, b"\xff"))], ALL, {})
    assert entry["entry_type"] == "Command: Run" and entry["raw"] == b"\xff"
    assert "entry_json" not in entry


def test_futures() -> None:
    waiting = Future((), (1,), (), (Future((11,), (18,), ("go",), (), 1),), 1)
    assert words.future(waiting) == {
        "FirstCompleted": [
            {"Single": {"SignalIndex": 1}},
            {
                "FirstCompleted": [
                    {"Single": {"CompletionId": 11}},
                    {"Single": {"SignalIndex": 18}},
                    {"Single": {"SignalName": "go"}},
                ]
            },
        ]
    }
