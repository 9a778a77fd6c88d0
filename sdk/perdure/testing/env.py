"""`Env`: an app on an engine in memory, as tests use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure.client.aio import AsyncClient
from perdure.client.in_process import InProcessHttp
from perdure.definitions import HandlerRef, ServiceDefinition, target_of
from perdure.errors import Misuse
from perdure.in_process import InProcessApp, needing_server
from perdure.misuse import misuse
from perdure.serde import ANY, encode_value
from perdure.service import definition_of
from perdure.testing.fakes import AttemptUnderTest, Behaviour, Patch
from perdure.testing.shown import is_failure, journals_text
from perdure.testing.topics import Topic
from perdure.transports.application import App
from perdure.typed_state import StateField

if TYPE_CHECKING:
    from orchestrator.embedding import EmbeddedEngine
    from perdure.testing.sync import SyncEnv


class Env:
    """An app on an engine of its own, all in memory: `async with Env(app) as env`, or `with` in a
    test that is no coroutine.

    Time passes as on the wall, from timer to timer; `skip` makes it pass at once. `start` is the
    time at the beginning. `always_replay` has each attempt end where its handler waits, so that
    the next one replays all; it may be set at any time.
    """

    def __init__(
        self,
        app: App,
        *,
        start: datetime | None = None,
        always_replay: bool = False,
        partitions: int = 2,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings`: of the engine, as the flags of `perdure serve`."""
        if not isinstance(app, App):
            raise misuse(f"Env is given what perdure.app(...) returns, not {app!r:.100}")
        self._app = app
        self._start = start
        self._partitions = partitions
        self._settings = {"retry_initial_interval": "1ms", **(settings or {})}
        self._behaviour = Behaviour(always_replay)
        self._engine: EmbeddedEngine | None = None
        self._client: AsyncClient | None = None
        self._sync: SyncEnv | None = None
        self._topics: dict[str, Topic] = {}

    async def __aenter__(self) -> Env:
        with needing_server("perdure.testing needs the engine", "testing"):
            from orchestrator.embedding import EmbeddedEngine
            from orchestrator.runtime.virtual import VirtualClock
        start = self._start
        clock = VirtualClock(None if start is None else round(start.timestamp() * 1000))
        begin: Callable[..., Any] = partial(AttemptUnderTest, self._behaviour, now_ms=clock.now_ms)
        app = InProcessApp(self._app.endpoint, begin, self._app.mode)
        self._engine = await EmbeddedEngine.start(
            data_dir=None,
            apps=[app],
            clock=clock,
            ingress=False,
            admin=False,
            partitions=self._partitions,
            settings=self._settings,
        )
        self._client = AsyncClient.over(InProcessHttp(self._engine))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        if error is not None and is_failure(error):
            error.add_note(await journals_text(engine))
        await engine.close()

    # -- in plain tests

    def __enter__(self) -> SyncEnv:
        from perdure.testing.sync import SyncEnv

        self._sync = SyncEnv(self)
        return self._sync.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._sync is not None
        self._sync.end(kind, error, trace)

    @property
    def engine(self) -> EmbeddedEngine:
        """The engine; there is one as long as the `with` block runs."""
        if self._engine is None:
            raise Misuse("an Env is used inside `async with Env(app) as env`")
        return self._engine

    @property
    def client(self) -> AsyncClient:
        """Calls the app's handlers through the engine, without sockets."""
        if self._client is None:
            raise Misuse("an Env is used inside `async with Env(app) as env`")
        return self._client

    @property
    def now(self) -> datetime:
        """The time of the engine, in UTC."""
        clock = self.engine.clock
        assert clock is not None
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=clock.now_ms())

    @property
    def always_replay(self) -> bool:
        """Whether each attempt ends where its handler waits."""
        return self._behaviour.always_replay

    @always_replay.setter
    def always_replay(self, value: bool) -> None:
        self._behaviour.always_replay = value

    async def skip(self, delta: timedelta = timedelta(0)) -> None:
        """Let so much time pass at once. What is due meanwhile happens, each at its time; returns
        when all has come to rest, but for steps that take longer than a second."""
        if not isinstance(delta, timedelta) or delta < timedelta(0):
            raise misuse(f"time passes by a timedelta that is not negative, not by {delta!r}")
        await self.engine.skip(delta.total_seconds())

    async def crash(self) -> None:
        """Kill the engine, and the attempts that run, at this very moment; then start it anew.

        Requests that were under way are made again, if they may be, as the client always does.
        """
        await self.engine.crash()

    async def state(self, service: Any, key: str) -> dict[str, Any]:
        """The state of an object or a workflow: what it was defined by, or its name."""
        name = self._with_state(service, key).name
        found = await self.engine.state(name, key)
        fields = _fields_of(service)
        return {
            entry: fields[entry].serde.decode(data) if entry in fields else ANY.decode(data)
            for entry, data in found.items()
        }

    async def set_state(self, service: Any, key: str, values: Mapping[str, Any]) -> None:
        """Give an object or a workflow this state in place of what it has, by names; while one of
        its exclusive handlers runs, after that."""
        found = self._with_state(service, key)
        fields = _fields_of(service)
        encoded = {
            name: fields[name].serde.encode(value) if name in fields else encode_value(value)
            for name, value in values.items()
        }
        await self.engine.set_state(found.name, key, found.kind == "workflow", encoded)
        await self.skip()

    def _with_state(self, service: Any, key: str) -> ServiceDefinition:
        """Raises Misuse for what has no state."""
        name = service if isinstance(service, str) else definition_of(service).name
        found = self._app.endpoint.services.get(name)
        if found is None:
            raise misuse(f"the app serves no {name!r}: {', '.join(self._app.endpoint.services)}")
        if found.kind == "service":
            raise misuse(f"{name!r} is a service, which has no state")
        if not isinstance(key, str):
            raise misuse(f"a key is text, not {key!r}")
        return found

    async def journal(self, invocation: str | Any) -> list[dict[str, Any]]:
        """The entries of an invocation, by its id or its handle, as in `export`: what each is
        (`type`), and what is in it (`shown`)."""
        entries: list[dict[str, Any]] = (await self.export(invocation))["entries"]
        return entries

    async def export(self, invocation: str | Any) -> dict[str, Any]:
        """An invocation with its journal, in the form of `perdure invocations export`."""
        named = invocation if isinstance(invocation, str) else getattr(invocation, "id", None)
        if not isinstance(named, str):
            raise misuse(f"an invocation is named by its id or its handle, not by {invocation!r}")
        found = await self.engine.journal(named)
        if found is None:
            raise LookupError(f"there is no invocation {named}, or not any more")
        return found

    def topic(self, name: str, partitions: int = 1) -> Topic:
        """A topic in memory: `await topic.produce(value, key=...)`, `await topic.consume()`."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(self.engine.broker, name, partitions, self.skip)
        return topic

    async def subscribe(self, topic: str, handler: Any) -> None:
        """Have each record of a topic invoke a handler, by its key for one of an object: as
        `perdure subscriptions create` does."""
        self.topic(topic)
        target = target_of(handler)
        names = (target.service, target.name) if isinstance(target, HandlerRef) else target
        await self.engine.subscribe(topic, *names)

    def patch(self, step: Any, fake: Callable[..., Any]) -> Patch:
        """Have `fake` called instead of a step: its function, or its name. Until the end of the
        test, or of the block where it is used by `with`. In place of `Mail.send` it gets the
        object first, in place of `mail.send` it does not."""
        return Patch(self._behaviour.fakes, step, fake)


def _fields_of(service: Any) -> dict[str, StateField]:
    """Declared state, by key."""
    if not isinstance(service, type):
        return {}
    found = (getattr(service, name, None) for name in dir(service))
    return {one.name: one for one in found if isinstance(one, StateField)}
