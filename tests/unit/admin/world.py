"""The admin API on a socket, over one partition of the real machine and metadata in memory.

Its event loop runs in a thread, so that tests and the command line speak to it over plain HTTP.
Attempts are scripted: a test appends the Journal records itself.
"""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from orchestrator.admin.app import create_admin
from orchestrator.admin.ports import AdminOptions
from orchestrator.brokers.clusters import BrokerClusters
from orchestrator.brokers.deciding import StartDecider
from orchestrator.brokers.facts_port import BAD_OPTIONS, OUT_OF_REACH, BrokerTrouble
from orchestrator.brokers.memory import MemoryFacts
from orchestrator.intake.views import SubscriptionView, SubscriptionViews
from orchestrator.log.memory import MemoryLog
from orchestrator.model.answers import Answer
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.node.admin_server import AdminServer
from orchestrator.processor import reads
from orchestrator.processor.port import (
    Accepted,
    Chunk,
    JournalEntry,
    LetterOperation,
    OnFound,
    OnReply,
    Operation,
    Stream,
    Unavailable,
    Unknown,
)
from orchestrator.processor.streams import EndedStream, LocalStream
from orchestrator.registry.discovery import Converted, Discovered, DiscoveryTarget
from orchestrator.registry.errors import UNREACHABLE, RegistryError
from orchestrator.registry.metadata import Metadata
from orchestrator.registry.schema import Deployment
from orchestrator.registry.snapshot import Defaults
from orchestrator.registry.stored import StoredPairs
from orchestrator.registry.stored_topics import StoredCluster
from orchestrator.runtime.entropy import SeededEntropy
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.tables.port import Pair
from tests.parts.api_document import ApiDocument
from tests.unit.machine.bench import Bench
from tests.unit.registry.samples import discovered

URI = "http://127.0.0.1:9080/"
UNKNOWN_OPTION = "no.such.option"  # to every broker cluster
GREETER = {"name": "Greeter", "ty": "SERVICE", "handlers": [{"name": "greet"}]}
COUNTER = {
    "name": "Counter",
    "ty": "VIRTUAL_OBJECT",
    "handlers": [{"name": "add"}, {"name": "get", "ty": "SHARED"}],
}
SIGNUP = {
    "name": "Signup",
    "ty": "WORKFLOW",
    "handlers": [{"name": "run", "ty": "WORKFLOW"}, {"name": "click"}],
}


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class BenchClock:
    """The time of the bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def now_ms(self) -> int:
        return self._bench.now_ms

    def monotonic_ms(self) -> int:
        return self._bench.now_ms


class BenchEngine:
    """The engine port over a bench: an operation is applied when it is asked for."""

    partition_count = 1

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.closed = ""
        self.refuse: Unavailable | None = None
        self.operations: list[Operation] = []
        self.invokes: list[Invoke] = []

    def new_id(self) -> bytes:
        return placed_key(0, 1, len(self.invokes)) + bytes(16)

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        assert not wait
        if self.refuse is not None:
            _soon(on_reply, self.refuse)
        else:
            self.invokes.append(invoke)
            _soon(on_reply, Accepted(self.bench.do(invoke) is Answer.DONE))
        return lambda: None

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        raise AssertionError("the admin API does not attach")

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        raise AssertionError("the admin API does not read results")

    def operate(
        self, operation: Operation, on_answer: Callable[[Answer | Unavailable], None]
    ) -> None:
        self.operations.append(operation)
        _soon(on_answer, self.bench.do(operation) if self.refuse is None else self.refuse)

    def operate_letter(
        self,
        partition: int,
        operation: LetterOperation,
        on_answer: Callable[[Answer | Unavailable], None],
    ) -> None:
        assert partition == 0
        _soon(on_answer, self.bench.do(operation) if self.refuse is None else self.refuse)

    def find(self, invocation_id: bytes, on_found: OnFound) -> None:
        found = reads.find_row(self.bench.state, invocation_id) or Unknown()
        _soon(on_found, found if self.refuse is None else self.refuse)

    def journal(self, invocation_id: bytes, incarnation: int) -> Stream[JournalEntry]:
        if self.refuse is not None:
            return EndedStream[JournalEntry](self.refuse, LoopScheduler())
        entries = reads.journal_of(self.bench.state, invocation_id, incarnation)
        return LocalStream(entries, LoopScheduler(), lambda error: Unavailable(str(error), False))

    def unreadable(self) -> dict[int, str]:
        return {}

    def writable(self) -> str:
        return self.closed

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> Stream[Pair]:
        self.bench.state.spill()
        rows = list(reads.export_rows(self.bench.store, kinds, starts))
        return EndedStream[Pair](Chunk(rows, True), LoopScheduler())


def _soon(callback: Callable[[Any], None], value: object) -> None:
    asyncio.get_running_loop().call_soon(callback, value)


class BadQuery(Exception):
    status = 400


class ScriptedAnswer(NamedTuple):
    parts: AsyncGenerator[bytes]
    missing: dict[int, str]


class ScriptedQuery:
    """Answers queries from a table of texts; any other is a bad query."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.missing: dict[int, str] = {}
        self.rows: Callable[[str], list[dict[str, Any]] | None] = lambda sql: None

    def json(self, sql: str, nulls: bool = False) -> ScriptedAnswer:
        return ScriptedAnswer(self._json(sql), self.missing)

    def arrow(self, sql: str) -> ScriptedAnswer:
        return ScriptedAnswer(self._arrow(sql), self.missing)

    async def _json(self, sql: str) -> AsyncGenerator[bytes]:
        self.asked.append(sql)
        found = self.rows(sql)
        if found is None:
            raise BadQuery(f"cannot plan {sql}")
        body = json.dumps({"rows": found}).encode()
        yield body[:5]
        yield body[5:]

    async def _arrow(self, sql: str) -> AsyncGenerator[bytes]:
        if sql != "SELECT 1":
            raise BadQuery(f"cannot plan {sql}")
        yield b"ARROW"


class KeptFacts(MemoryFacts):
    """Of brokers that outlive those who ask them."""

    def close(self) -> None:
        pass


class World:
    """A running admin API; use `world()`."""

    def __init__(
        self,
        options: AdminOptions | None = None,
        with_query: bool = True,
        log_cluster: StoredCluster | None = None,
    ) -> None:
        self._log_cluster = log_cluster
        self.troubles: dict[str, str] = {}  # by broker cluster
        self.bench = Bench()
        self.engine = BenchEngine(self.bench)
        self.query = ScriptedQuery()
        self.brokers: dict[str, KeptFacts] = {}  # by their address
        self.endpoints: dict[str, Discovered] = {URI: discovered(GREETER, COUNTER, SIGNUP)}
        self.targets: list[DiscoveryTarget] = []
        self.converted: dict[tuple[str, str, bytes], Converted] = {}  # by operation, serde, body
        self.subscriptions: dict[str, SubscriptionView] = {}  # how they stand
        self._options = options or AdminOptions(operate_wait_s=5)
        self._with_query = with_query
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.wait(self._start())

    async def _start(self) -> None:
        log = MemoryLog(1)
        await log.open()
        self.metadata = Metadata(log, Defaults(), None, log_cluster=self._log_cluster)
        await self.metadata.open()
        brokers = BrokerClusters(self._facts)
        self.decider = StartDecider(self.metadata, brokers)
        app = create_admin(
            self.engine,
            self.metadata,
            self._discover,
            self.query if self._with_query else None,
            self._options,
            query_errors=(BadQuery,),
            convert=self._convert,
            brokers=brokers,
            look_at_subscriptions=self._looked,
            broker_troubles=lambda: self.troubles,
            clock=BenchClock(self.bench),
            entropy=SeededEntropy(1),
        )
        self._server = AdminServer(app)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        await self._server.start(listening)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.decider.close)
        self.wait(self._server.stop(1))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    def wait(self, work: Any) -> Any:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _looked(self) -> SubscriptionViews:
        return self.subscriptions

    async def _discover(self, target: DiscoveryTarget) -> Discovered:
        self.targets.append(target)
        if target.uri not in self.endpoints:
            raise RegistryError(UNREACHABLE, f"{target.uri} cannot be reached")
        return self.endpoints[target.uri]

    async def _convert(
        self, deployment: Deployment, service: str, operation: str, name: str, body: bytes
    ) -> Converted:
        assert (deployment.stored.uri, service) == (URI, "Greeter")
        return self.converted.get((operation, name, body), Converted(404, "", b"no such serde"))

    def _facts(self, options: StoredPairs) -> MemoryFacts:
        if UNKNOWN_OPTION in dict(options):
            refusing = KeptFacts()
            refusing.trouble = BrokerTrouble(BAD_OPTIONS, f"no such option: {UNKNOWN_OPTION}")
            return refusing
        address = dict(options)["bootstrap.servers"]
        if address not in self.brokers:
            nobody = KeptFacts()
            nobody.trouble = BrokerTrouble(OUT_OF_REACH, "no broker answers", passes=True)
            return nobody
        return self.brokers[address]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """One request; a body is sent as JSON if the headers do not say otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = dict(headers or {})
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        if body is not None:
            given.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            answered = Answered(response.status, names, response.read())
        finally:
            connection.close()
        if "content-encoding" not in names and not path.endswith("/openapi"):
            media = names.get("content-type", "")
            _document(World).check(method, path, answered.status, media, answered.body)
        return answered

    def register(self, uri: str = URI, **more: Any) -> Any:
        """Register and return what the API said."""
        answer = self.ask("POST", "/deployments", {"uri": uri, **more})
        assert answer.status in (200, 201), answer
        return answer.json


@lru_cache(1)
def _document(app_kind: type[World]) -> ApiDocument:
    """Of all worlds: it follows from the routes alone."""
    with world() as made:
        return ApiDocument(made.ask("GET", "/openapi").json)


@contextmanager
def world(
    options: AdminOptions | None = None,
    with_query: bool = True,
    log_cluster: StoredCluster | None = None,
) -> Iterator[World]:
    made = World(options, with_query, log_cluster)
    made.start()
    try:
        yield made
    finally:
        made.stop()
