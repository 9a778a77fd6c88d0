"""`SyncEnv`: an Env for tests that are no coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from perdure.client.in_process import InProcessHttp
from perdure.client.request import Request, Response
from perdure.client.sync import Client
from perdure.testing.fakes import Patch
from perdure.testing.topics import Topic, TopicRecord

if TYPE_CHECKING:
    from perdure.testing.env import Env

T = TypeVar("T")


class _BlockingHttp:
    """Requests that run the event loop until they are answered."""

    def __init__(self, env: SyncEnv, http: InProcessHttp) -> None:
        self._env = env
        self._http = http

    def exchange(self, request: Request, timeout_s: float | None) -> Response:
        return self._env.run(self._http.exchange(request, timeout_s))

    def close(self) -> None:
        pass


class SyncTopic:
    """See Topic."""

    def __init__(self, env: SyncEnv, topic: Topic) -> None:
        self._env = env
        self._topic = topic

    def produce(
        self,
        value: Any,
        key: str | bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> None:
        """See Topic.produce."""
        self._env.run(self._topic.produce(value, key, headers))

    def consume(self) -> list[TopicRecord]:
        """See Topic.consume."""
        return self._env.run(self._topic.consume())


class SyncEnv:
    """See Env; made by `with Env(app) as env`. The app's handlers run while one of these
    methods, or a method of the client, is waited for."""

    client: Client

    def __init__(self, env: Env) -> None:
        self._env = env
        self._runner = asyncio.Runner()

    def begin(self) -> SyncEnv:
        """Start the engine."""
        try:
            self.run(self._env.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        self.client = Client.over(_BlockingHttp(self, InProcessHttp(self._env.engine)))
        return self

    def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        try:
            self.run(self._env.__aexit__(kind, error, trace))
        finally:
            self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop of the engine."""
        return self._runner.run(coroutine)

    @property
    def now(self) -> datetime:
        """See Env.now."""
        return self._env.now

    @property
    def always_replay(self) -> bool:
        """See Env.always_replay."""
        return self._env.always_replay

    @always_replay.setter
    def always_replay(self, value: bool) -> None:
        self._env.always_replay = value

    def skip(self, delta: timedelta = timedelta(0)) -> None:
        """See Env.skip."""
        self.run(self._env.skip(delta))

    def crash(self) -> None:
        """See Env.crash."""
        self.run(self._env.crash())

    def state(self, service: Any, key: str) -> dict[str, Any]:
        """See Env.state."""
        return self.run(self._env.state(service, key))

    def set_state(self, service: Any, key: str, values: Mapping[str, Any]) -> None:
        """See Env.set_state."""
        self.run(self._env.set_state(service, key, values))

    def journal(self, invocation: str | Any) -> list[dict[str, Any]]:
        """See Env.journal."""
        return self.run(self._env.journal(invocation))

    def export(self, invocation: str | Any) -> dict[str, Any]:
        """See Env.export."""
        return self.run(self._env.export(invocation))

    def topic(self, name: str, partitions: int = 1) -> SyncTopic:
        """See Env.topic."""
        return SyncTopic(self, self._env.topic(name, partitions))

    def subscribe(self, topic: str, handler: Any) -> None:
        """See Env.subscribe."""
        self.run(self._env.subscribe(topic, handler))

    def patch(self, step: Any, fake: Callable[..., Any]) -> Patch:
        """See Env.patch."""
        return self._env.patch(step, fake)
