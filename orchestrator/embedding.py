"""The engine inside another program: in its process, on its event loop.

Public: what the SDK's `perdure.testing` and `App.run_embedded` stand on. With a data directory it
is the server without its command; without one all of it is in memory, under a clock that can be
skipped.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from orchestrator.admin.journal_export import journal_document
from orchestrator.brokers.memory_broker import MemoryBroker
from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.config.options import NodeOptions, read_options
from orchestrator.exchanges.apps import Apps, ServiceApp
from orchestrator.ingress import replies
from orchestrator.ingress.exchange import HttpReply, PendingRequest
from orchestrator.log.memory import MemoryTopic
from orchestrator.model.ids import key_partition_key, partition_of_key
from orchestrator.model.records import Cancel, PatchState
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.memory_node import MemoryNode
from orchestrator.node.node import Node
from orchestrator.node.registering import register_app, subscribe
from orchestrator.node.surroundings import Memory
from orchestrator.processor.asking import answer_to, collect, find
from orchestrator.processor.port import OnAnswer, Unavailable
from orchestrator.runtime.memory import collect_rarely, give_memory_back
from orchestrator.runtime.virtual import VirtualClock
from orchestrator.sql import keyed
from perdure.wire.ids import (
    invocation_id_to_str,
    parse_invocation_id,
)

T = TypeVar("T")

APP: Final = "app"
"""The name of an app that was given none."""
_QUIET_TURNS: Final = 3
"""Of the loop, without a sign of life: longer than a task takes to go on."""
_STEPS_S: Final = 1.0
"""How long `settle` waits for steps that are being executed."""
_LOOK_S: Final = 0.0005


def tune_process() -> None:
    """Set the process up as `perdure serve` does: for one that is an engine and its app, and
    nothing else. Before threads are started."""
    give_memory_back()
    collect_rarely()


class IngressReply(NamedTuple):
    """An answer of the ingress; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Request(PendingRequest):
    """A request of the client of this process, which asks for no id beside a result."""

    __slots__ = ()
    wants_id = False


class EngineGone(ConnectionError):
    """The engine was closed, or crashed, before it had answered."""


class EmbeddedEngine:
    """An engine and, if wanted, its ingress and admin API on sockets. Made by `start`."""

    def __init__(
        self,
        options: NodeOptions,
        directory: DataDirectory | None,
        clock: VirtualClock | None,
        partitions: int,
        ingress: bool,
        admin: bool,
    ) -> None:
        self._options = options
        self._directory = directory
        self._apps = Apps()
        self._faces = (ingress, admin)
        self.clock = clock
        self.broker = MemoryBroker(self._now_ms)
        """Topics of an engine in memory; they outlive a crash."""
        self._memory = Memory(MemoryTopic(partitions), self.broker)
        self._waiting: dict[asyncio.Future[IngressReply], None] = {}
        self._to_register: list[tuple[ServiceApp, str]] = []
        self._given_up: set[object] = set()  # busy attempts that `settle` waited for in vain
        self._node = self._make_node()

    @classmethod
    async def start(
        cls,
        *,
        data_dir: Path | None,
        apps: Sequence[ServiceApp] = (),
        clock: VirtualClock | None = None,
        ingress: bool = True,
        admin: bool = True,
        partitions: int = 4,
        settings: Mapping[str, str] | None = None,
    ) -> "EmbeddedEngine":
        """Ready when it returns.

        `data_dir`: where it keeps its data, and goes on after a restart; None: in memory. `clock`:
        for engines in memory. `settings`: as the flags of `perdure serve`, without dashes in
        front. Raises OperatingError, as the server would.
        """
        options = _options(data_dir, partitions, tuple(sorted((settings or {}).items())))
        directory = None if data_dir is None else DataDirectory(data_dir)
        if directory is None and clock is None:
            clock = VirtualClock(flows=True)
        try:
            engine = cls(options, directory, clock, partitions, ingress, admin)
            await engine._start(apps)
        except BaseException:
            if directory is not None:
                directory.release()
            raise
        return engine

    async def _start(self, apps: Sequence[ServiceApp]) -> None:
        self._to_register = [
            (app, f"{APP}-{number + 1}" if number else APP) for number, app in enumerate(apps)
        ]
        try:
            await self._node.start()
        except BaseException:
            await self._node.stop()
            raise

    async def _register_first(self) -> None:
        """Before callers are let in."""
        first, self._to_register = self._to_register, []
        for app, name in first:
            await self.register(app, name)

    def _make_node(self) -> Node | MemoryNode:
        ingress, admin = self._faces
        if self._directory is not None:
            return Node(
                self._options, self._directory, self._apps, ingress, admin, self._register_first
            )
        assert self.clock is not None
        return MemoryNode(
            self._options,
            self._memory,
            self.clock,
            self._apps,
            ingress,
            admin,
            self._register_first,
        )

    @property
    def ingress_url(self) -> str:
        """Where callers reach it; "" without an ingress."""
        address = self._node.faces.ingress_address
        return f"http://{address}" if address.port else ""

    @property
    def admin_url(self) -> str:
        """Where operators reach it; "" without an admin API."""
        address = self._node.faces.admin_address
        return f"http://{address}" if address.port else ""

    async def register(self, app: ServiceApp, name: str = APP) -> None:
        """Serve an app from now on, instead of an earlier one of the same name.

        Raises RegistryError for what cannot be registered.
        """
        self._apps.put(name, app)
        await register_app(self._node.parts, name)

    async def subscribe(self, topic: str, service: str, handler: str) -> None:
        """Have the records of a topic in memory, from its beginning, invoke a handler.

        Raises RegistryError for what is no handler.
        """
        await subscribe(self._node.parts, self.broker, topic, service, handler)

    def _now_ms(self) -> int:
        return 0 if self.clock is None else self.clock.now_ms()

    async def watch(self) -> None:
        """Never returns; raises LogRefused if the log no longer lets this engine run."""
        assert isinstance(self._node, Node), "an engine in memory has nobody to refuse it"
        await self._node.watch()

    async def close(self) -> None:
        """End in good order."""
        await self._node.stop()
        self._fail_waiting("the engine was closed")
        if self._directory is not None:
            self._directory.release()

    async def crash(self) -> None:
        """As kill -9 and a new start: attempts and requests under way are dropped.

        Only engines in memory can.
        """
        assert isinstance(self._node, MemoryNode), "an engine on a data directory cannot crash"
        await self._node.kill()
        self._fail_waiting("the engine crashed")
        self._node = self._make_node()
        await self._node.start()

    # --- requests ---

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> IngressReply:
        """What the ingress answers, without the id of the invocation beside the result of a call;
        raises EngineGone."""
        waiter: asyncio.Future[IngressReply] = asyncio.get_running_loop().create_future()

        def respond(exchange: PendingRequest, reply: HttpReply) -> None:
            if not waiter.done():
                waiter.set_result(
                    IngressReply(reply.status, ReplyHeaders(reply.headers), reply.body)
                )

        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        exchange = _Request(method.encode(), url.encode(), pairs, body, respond)
        self._waiting[waiter] = None
        limit = self._options.server.payload_bytes_max
        if len(body) > limit:
            respond(exchange, replies.body_too_large(limit))
        else:
            self._node.parts.ingress.handle(exchange)
        try:
            return await waiter
        finally:
            del self._waiting[waiter]
            exchange.abandon()

    def _fail_waiting(self, reason: str) -> None:
        for waiter in list(self._waiting):
            if not waiter.done():
                waiter.set_exception(EngineGone(reason))

    async def cancel(self, invocation_id: str) -> str:
        """Ask an invocation to end; what became of that: the name of a `model.answers.Answer`."""
        target = parse_invocation_id(invocation_id)
        return await self._operate(Cancel(target, self._node.parts.clock.now_ms()))

    async def set_state(
        self, service: str, key: str, is_workflow: bool, state: Mapping[str, bytes]
    ) -> None:
        """Replace the state of a key, once no exclusive handler of it runs."""
        pairs = tuple(sorted((name.encode(), value) for name, value in state.items()))
        now_ms = self._node.parts.clock.now_ms()
        await self._operate(PatchState(service, key, is_workflow, None, pairs, now_ms))

    async def _operate(self, record: Cancel | PatchState) -> str:
        def ask(told: OnAnswer) -> None:
            self._node.parts.processor.engine.operate(record, told)

        answer = await answer_to(ask)
        return answer.reason if isinstance(answer, Unavailable) else answer.name

    # --- to look at ---

    async def journal(self, invocation_id: str) -> dict[str, Any] | None:
        """An invocation and its journal, as `perdure invocations export` has it; None if there is
        no such invocation."""
        engine = self._node.parts.processor.engine
        row = await find(engine, parse_invocation_id(invocation_id))
        if not isinstance(row, InvocationRow | CompletedRow):
            return None
        entries = _held(await collect(engine.journal(row.invoke.id, row.incarnation)))
        return journal_document(row, entries)

    async def invocations(self) -> list[str]:
        """The ids of all that are kept, the latest call first."""
        engine = self._node.parts.processor.engine
        found: list[tuple[int, bytes]] = []
        for partition in range(engine.partition_count):
            kinds = [keys.INVOCATION, keys.COMPLETED]
            for raw, value in _held(await collect(engine.export(partition, kinds, [b""]))):
                row = _DECODERS[raw[:1]](value)
                found.append((row.invoke.created_at_ms, row.invoke.id))
        return [invocation_id_to_str(one) for _, one in sorted(found, reverse=True)]

    async def state(self, service: str, key: str) -> dict[str, bytes]:
        """The state of an object or workflow."""
        engine = self._node.parts.processor.engine
        partition = partition_of_key(key_partition_key(key), engine.partition_count)
        start = keys.object_key(service, key)
        rows = await collect(engine.export(partition, [keys.OBJECT, keys.STATE], [start]))
        found = keyed.state(iter(_held(rows)))
        mine = (service, key)
        return {
            row["key"]: row["value"]
            for row in found
            if (row["service_name"], row["service_key"]) == mine
        }

    # --- time ---

    async def skip(self, delta_s: float) -> None:
        """Let time pass: what is due meanwhile happens, each at its time; then all has come to
        rest. Only for engines in memory."""
        assert self.clock is not None, "an engine on a data directory lives by the real clock"
        await self.clock.skip(delta_s, self.settle)
        self._node.parts.processor.remove_expired()
        await self.settle()

    async def settle(self) -> None:
        """Returns once nothing goes on: all waits for time, for callers or for steps that take
        longer than a second."""
        clock = self.clock
        assert clock is not None
        quiet_turns = looks = 0
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _STEPS_S
        while quiet_turns < _QUIET_TURNS:
            activity = clock.activity
            await asyncio.sleep(0)
            busy = self._busy()
            if clock.ready or clock.activity != activity:
                quiet_turns = 0
            elif not busy:
                quiet_turns += 1
            elif loop.time() >= until_s:
                self._given_up = busy
            else:
                looks += 1
                quiet_turns = 0
                if looks > 20:
                    await asyncio.sleep(_LOOK_S)

    def _busy(self) -> set[object]:
        busy: set[object] = {link for link in self._apps.links if link.is_busy}
        return busy - self._given_up


_DECODERS: Final[dict[bytes, Callable[[bytes], InvocationRow | CompletedRow]]] = {
    keys.INVOCATION: row_decoder(InvocationRow),
    keys.COMPLETED: row_decoder(CompletedRow),
}


def _held(found: list[T] | Unavailable) -> list[T]:
    if isinstance(found, Unavailable):
        raise EngineGone(found.reason)
    return found


class ReplyHeaders(Mapping[str, str]):
    """Headers of an answer, read where somebody looks at them; names are in lower case."""

    __slots__ = ("_found", "_lines")

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._found: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._found is None:
            lines = self._lines.decode("latin-1").split("\r\n")
            found = (line.partition(": ") for line in lines if line)
            self._found = {name.lower(): value for name, _, value in found}
        return self._found

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


@lru_cache(16)
def _options(
    data_dir: Path | None, partitions: int, settings: tuple[tuple[str, str], ...]
) -> NodeOptions:
    given = {name.replace("_", "-"): value for name, value in settings}
    given.setdefault("partitions", str(partitions))
    if data_dir is not None:
        given.setdefault("data-dir", str(data_dir))
    return read_options([f"--{name}={value}" for name, value in given.items()], {})
