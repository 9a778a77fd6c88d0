"""An engine in memory: it keeps what it is asked, and answers as the test decides."""

import asyncio
import os
from collections.abc import Callable, Sequence

from orchestrator.ingress.options import IngressOptions
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import OBJECT_EXCLUSIVE, SERVICE, WORKFLOW_RUN, Outcome
from orchestrator.processor.port import (
    Accepted,
    JournalEntry,
    NotReady,
    OnFound,
    OnReply,
    Operation,
    Reply,
    Result,
    Stream,
    Unavailable,
    Unknown,
)
from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.records import DeploymentRegistered
from orchestrator.registry.schema import Registry
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.registry.stored import (
    StoredDeployment,
    StoredHandler,
    StoredInput,
    StoredOutput,
    StoredService,
)
from orchestrator.tables.port import Pair

EXPIRES_AT_MS = 1_800_000_000_123


class MemoryEngine:
    """Echoes: the result of a call is its body. `hold` keeps results back; `refuse` refuses."""

    partition_count = 4

    def __init__(self) -> None:
        self.invokes: list[Invoke] = []
        self.operations: list[Operation] = []
        self.results: dict[bytes, Outcome] = {}
        self.waiting: dict[bytes, list[OnReply]] = {}
        self.forgotten: list[bytes] = []
        self.hold = False
        self.refuse: Unavailable | None = None
        self.answer = Answer.NOT_FOUND  # to operations
        self.outcome: Outcome | None = None

    def new_id(self) -> bytes:
        return os.urandom(24)

    def _later(self, on_reply: OnReply, reply: Reply) -> None:
        asyncio.get_running_loop().call_soon(on_reply, reply)

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        if self.refuse is not None:
            self._later(on_reply, self.refuse)
            return lambda: None
        created = all(known.id != invoke.id for known in self.invokes)
        known = next((one for one in self.invokes if one.id == invoke.id), invoke)
        starts_at_ms = 0 if created or known.id in self.results else known.start_at_ms
        self._later(on_reply, Accepted(created, starts_at_ms))
        if created:
            self.invokes.append(invoke)
            if not self.hold:
                self.finish(invoke.id, invoke.body if self.outcome is None else self.outcome)
        return self._wait(invoke.id, on_reply, not created) if wait else lambda: None

    def _wait(self, invocation_id: bytes, on_reply: OnReply, replayed: bool) -> Callable[[], None]:
        if invocation_id in self.results:
            self._later(on_reply, self._result(invocation_id, replayed))
        else:
            self.waiting.setdefault(invocation_id, []).append(on_reply)

        def forget() -> None:
            self.forgotten.append(invocation_id)
            if on_reply in self.waiting.get(invocation_id, []):
                self.waiting[invocation_id].remove(on_reply)

        return forget

    def finish(self, invocation_id: bytes, outcome: Outcome) -> None:
        self.results[invocation_id] = outcome
        for on_reply in self.waiting.pop(invocation_id, []):
            self._later(on_reply, self._result(invocation_id, False))

    def _result(self, invocation_id: bytes, replayed: bool) -> Result:
        invoke = next(known for known in self.invokes if known.id == invocation_id)
        handler = REGISTRY.handler(invoke.service, invoke.handler)
        output = None if handler is None else handler.output
        return Result(self.results[invocation_id], EXPIRES_AT_MS, replayed, output)

    def remember(self, invocation_id: bytes, outcome: bytes) -> None:
        """A result whose service may have gone."""
        gone = Invoke(invocation_id, "Gone", "x", "", SERVICE, b"", (), 0, 0, 0)
        self.invokes.append(gone)
        self.results[invocation_id] = outcome

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        if all(known.id != invocation_id for known in self.invokes):
            self._later(on_reply, Unknown())
            return lambda: None
        return self._wait(invocation_id, on_reply, True)

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        if invocation_id in self.results:
            self._later(on_reply, self._result(invocation_id, True))
        elif any(known.id == invocation_id for known in self.invokes):
            self._later(on_reply, NotReady())
        else:
            self._later(on_reply, Unknown())

    def operate(
        self, operation: Operation, on_answer: Callable[[Answer | Unavailable], None]
    ) -> None:
        answer: Answer | Unavailable = self.answer if self.refuse is None else self.refuse
        self.operations.append(operation)
        asyncio.get_running_loop().call_soon(on_answer, answer)

    def find(self, invocation_id: bytes, on_found: OnFound) -> None:
        asyncio.get_running_loop().call_soon(on_found, Unknown())

    def journal(self, invocation_id: bytes, incarnation: int) -> Stream[JournalEntry]:
        raise AssertionError("the ingress reads no journal")

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> Stream[Pair]:
        raise AssertionError("only the SQL room exports")

    def unreadable(self) -> dict[int, str]:
        return {}

    def writable(self) -> str:
        return ""


class Gate:
    """A door the test opens and closes."""

    def __init__(self) -> None:
        self.why_closed = self.why_unready = ""

    def closed(self) -> str:
        return self.why_closed

    def unready(self) -> str:
        return self.why_closed or self.why_unready


class StoppedClock:
    """It is always the same moment."""

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return 0


def registry() -> Registry:
    """A plain service with handlers of every input rule, an object, a workflow, private ones."""
    greeter = StoredService(
        "Greeter",
        0,
        1,
        (
            StoredHandler("greet", SERVICE),
            StoredHandler("json", SERVICE, input=StoredInput(True, "application/json", "{}")),
            StoredHandler("maybe", SERVICE, input=StoredInput(False, "application/json", "")),
            StoredHandler("text", SERVICE, input=StoredInput(True, "text/*", "")),
            StoredHandler("nothing", SERVICE, input=StoredInput()),
            StoredHandler("raw", SERVICE, output=StoredOutput("application/octet-stream", True)),
            StoredHandler("evil", SERVICE, output=StoredOutput("a/b\r\nx: y", True)),
            StoredHandler("hidden", SERVICE, public=False),
        ),
    )
    counter = StoredService("Counter", 1, 1, (StoredHandler("add", OBJECT_EXCLUSIVE),))
    signup = StoredService(
        "Signup", 2, 1, (StoredHandler("run", WORKFLOW_RUN), StoredHandler("click", 4))
    )
    private = StoredService("Private", 0, 1, (StoredHandler("x", SERVICE),), public=False)
    services = (greeter, counter, signup, private)
    deployment = StoredDeployment(
        "dp_1", "http://x", False, True, 5, 7, (), (), 0, "test/1", services
    )
    state = MetadataState()
    assert apply_metadata(state, DeploymentRegistered(0, deployment))
    return build_registry(state, Defaults())


REGISTRY = registry()
OPTIONS = IngressOptions(
    payload_bytes_max=1_000_000, head_bytes_max=20_000, linger_s=1, half_closed_s=1
)
