"""What a call costs at the ingress, in calls of functions: a limit that no load makes flaky."""

import os
from collections.abc import Callable

from orchestrator.ingress.face import Ingress
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.shared import Shared
from orchestrator.model.invoke import Invoke
from orchestrator.processor.port import Accepted, OnReply, Result
from orchestrator.runtime.telemetry import Telemetry
from tests.parts.call_counts import calls_of
from tests.unit.ingress.engine import EXPIRES_AT_MS, Gate, MemoryEngine, StoppedClock, registry
from tests.unit.ingress.wire import connected

CALLS_MAX = 67  # of a call without a key, from its bytes to the bytes of its answer; headers known
CALLS_KEYED_MAX = 77
CALLS_NAMED_MAX = 114  # with an idempotency key: its headers come once, the parser reads them
HEAD = b"host: x\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n"


class PromptEngine(MemoryEngine):
    """Answers at once."""

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        on_reply(Accepted(True))
        on_reply(Result(invoke.body, EXPIRES_AT_MS, False))
        return lambda: None

    def new_id(self) -> bytes:
        return os.urandom(24)


def _cost(path: bytes, more: bytes = b"") -> int:
    known = registry()
    options = IngressOptions()
    face = Ingress(PromptEngine(), lambda: known, StoppedClock(), Gate(), options)
    shared = Shared(face.handle, StoppedClock(), options, Telemetry())
    connection, wire = connected(shared)
    request = b"POST " + path + b" HTTP/1.1\r\n" + more + HEAD + b'"Ann"'
    connection.data_received(request)  # what is made once is made
    cost = calls_of(lambda: connection.data_received(request))
    assert wire.written.count(b"HTTP/1.1 200") == 2
    return cost


def test_a_call_costs_few_calls_of_functions() -> None:
    assert _cost(b"/Greeter/greet") <= CALLS_MAX


def test_a_call_of_an_object_costs_few_calls_of_functions() -> None:
    assert _cost(b"/Counter/k/add") <= CALLS_KEYED_MAX


def test_a_call_whose_headers_name_it_costs_few_calls_of_functions() -> None:
    assert _cost(b"/Greeter/greet", b"idempotency-key: k\r\n") <= CALLS_NAMED_MAX
