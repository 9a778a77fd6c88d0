"""What a handler can do: every call here is stored in the journal and replayed from it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, overload

from perdure import logs
from perdure.calling import Calling
from perdure.errors import Terminal
from perdure.failures import wire_failure
from perdure.futures import (
    DONE,
    AllSettled,
    AnyOf,
    AsCompleted,
    Done,
    Future,
    Gather,
    Outcome,
    Owner,
    Race,
    Select,
)
from perdure.invocation_request import InvocationRequest
from perdure.invocations import check_signal_name
from perdure.misuse import misuse
from perdure.promises import durable_futures, some_futures
from perdure.replay import Machine
from perdure.retry import Retry
from perdure.saga import Saga
from perdure.serde import as_serde, encode_value, serde_for
from perdure.steps import Step, Traits, check_retry, traits_of

T = TypeVar("T")


class Group(Protocol):
    """Several coroutines of one handler, which end together; see `Context.group`."""

    async def __aenter__(self) -> Group: ...

    async def __aexit__(self, *error: Any) -> bool | None: ...

    def start(self, work: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a coroutine function, or a coroutine, beside the others."""


class Runner(Owner, Protocol):
    """The attempt that a context belongs to."""

    machine: Machine
    request_headers: Mapping[str, str]
    thread_id: int
    """Of the thread that runs code of the handler, if any does."""
    in_thread: bool
    """Whether the thread of a plain `def` handler runs."""

    @property
    def waits_in_place(self) -> bool:
        """Whether the handler is a plain `def`, which waits in its thread."""

    def now_ms(self) -> int:
        """The time of the attempt, in Unix milliseconds."""

    def execute(self, step: Step) -> None:
        """Have a step executed when the handler waits, unless its result comes before."""

    def group(self) -> Group:
        """See `Context.group`."""


current: ContextVar[Context | None] = ContextVar("perdure_context", default=None)
"""The context of the handler that is running; None in steps and outside."""


class Context(Calling):
    """The context of a handler. What it returns is awaited, combined or both."""

    __slots__ = ("__dict__", "_machine", "runner")

    runner: Runner

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._machine = runner.machine

    @property
    def machine(self) -> Machine:
        runner = self.runner
        if (
            current.get() is self
            and (runner.turn or runner.in_thread)
            and get_ident() == runner.thread_id
        ):
            return self._machine
        raise self._misused()

    if not TYPE_CHECKING:  # to a type checker it would mean that there is any name

        def __getattr__(self, name: str) -> Any:
            """Say which contexts have it."""
            message = f"{type(self).__name__} has no {name!r}"
            where = _ELSEWHERE.get(name)
            raise AttributeError(f"{message}: {where}" if where else message, name=name, obj=self)

    def _misused(self) -> BaseException:
        if self._machine.closed:
            return self._machine.over()
        other = current.get()
        if other is None:
            return misuse(
                "the context is used inside a step, or in a thread or task that is not its"
                " handler's: what is done there cannot be replayed"
            )
        if other is not self:
            return misuse("the context of another handler is used here: each has its own")
        return misuse("the context is used by a thread or callback while its handler waits")

    # -- what the handler is

    @property
    def request(self) -> InvocationRequest:
        """The request as it came."""
        start, given = self._machine.start, self._machine.input
        return InvocationRequest(
            self._machine.invocation_id,
            dict(given.headers),
            given.value or b"",
            start.retry_count_since_last_stored_entry,
            self.runner.request_headers,
            start.scope,
            start.limit_key,
            start.idempotency_key,
        )

    @property
    def id(self) -> str:
        """The id of the invocation."""
        return self._machine.invocation_id

    @property
    def logger(self) -> logs.Logger:
        """A logger that is silent while the journal is replayed."""
        return logs.logger(self._machine)

    @property
    def random(self) -> random.Random:
        """Random numbers that are the same in every attempt; not for secrets."""
        made: random.Random | None = self.__dict__.get("random")
        if made is None:
            made = self.__dict__["random"] = random.Random(self.machine.seed)
        return made

    def uuid(self) -> uuid.UUID:
        """A UUID that is the same in every attempt."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def now(self) -> Future[datetime]:
        """The time in UTC, stored like the result of a step."""
        return self.time().map(lambda seconds: datetime.fromtimestamp(seconds, UTC))

    def time(self) -> Future[float]:
        """The time in seconds since 1970, stored like the result of a step."""
        clock = self.runner.now_ms
        return self._step(lambda: clock() / 1000, (), {}, _TIME, None, "time", inline=True)

    # -- steps and timers

    @overload
    def step(
        self,
        fn: Callable[..., Awaitable[T]],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> Future[T]: ...

    @overload
    def step(
        self,
        fn: Callable[..., T],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> Future[T]: ...

    def step(
        self,
        fn: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> Future[Any]:
        """Call a function whose effect happens once and whose result is kept: `async def` on the
        event loop, `def` in a thread. It is retried as `retry` says, else as the server does."""
        if retry is not None:
            check_retry(retry)
        traits = traits_of(fn)
        return self._step(fn, args, kwargs, traits, retry, traits.name if name is None else name)

    def _step(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        traits: Traits,
        retry: Retry | None,
        name: str,
        inline: bool = False,
    ) -> Future[Any]:
        machine = self.machine
        future: Future[Any] = Future(self.runner, traits.serde.decode)
        command = machine.run(future, name)
        index = machine.command_index
        step = Step(future, fn, args, kwargs, traits, retry, index, command, inline)
        self.runner.execute(step)
        return future

    def sleep(self, delta: timedelta, name: str = "") -> Future[None]:
        """A durable timer: it goes on while nothing runs."""
        return self.runner.sleep_for(delta, name)

    # -- awakeables and signals

    @overload
    def awakeable(self, type: type[T]) -> Awakeable[T]: ...
    @overload
    def awakeable(self, type: Any = ...) -> Awakeable[Any]: ...
    def awakeable(self, type: Any = Any) -> Awakeable[Any]:  # noqa: A002
        """A future with an `id`, which anybody who knows the id completes."""
        future: Awakeable[Any] = Awakeable(self.runner, as_serde(type).decode)
        future.id = self.machine.awakeable(future)
        return future

    def resolve_awakeable(self, awakeable_id: str, value: Any = None) -> Done:
        """Complete an awakeable."""
        self.machine.complete_awakeable(awakeable_id, encode_value(value))
        return DONE

    def reject_awakeable(self, awakeable_id: str, message: str, code: int = 500) -> Done:
        """Complete an awakeable with a failure: a Terminal where it is awaited."""
        failure = wire_failure(Terminal(message, code))
        self.machine.complete_awakeable(awakeable_id, None, failure)
        return DONE

    @overload
    def signal(self, name: str, type: type[T]) -> Future[T]: ...
    @overload
    def signal(self, name: str, type: Any = ...) -> Future[Any]: ...
    def signal(self, name: str, type: Any = Any) -> Future[Any]:  # noqa: A002
        """The next signal of a name that this invocation is given."""
        check_signal_name(name)
        future: Future[Any] = Future(self.runner, as_serde(type).decode)
        self.machine.signal(future, name)
        return future

    # -- several futures at once

    @overload
    def gather(self, *futures: Future[T]) -> Future[list[T]]: ...
    @overload
    def gather(self, *futures: Future[Any]) -> Future[list[Any]]: ...
    def gather(self, *futures: Future[Any]) -> Future[list[Any]]:
        """All results in order, or the first failure as soon as it is there."""
        return Gather(self.runner, durable_futures(futures))

    def race(self, *futures: Future[T]) -> Future[T]:
        """The result or failure of the first that is done."""
        return Race(self.runner, some_futures(futures))

    def any(self, *futures: Future[T]) -> Future[T]:
        """The first result; if all fail, the last failure."""
        return AnyOf(self.runner, some_futures(futures))

    def all_settled(self, *futures: Future[T]) -> Future[list[Outcome[Any]]]:
        """How each of them ended."""
        return AllSettled(self.runner, durable_futures(futures))

    def select(self, **futures: Future[Any]) -> Future[tuple[str, Any]]:
        """The name and the result of the first that is done."""
        some_futures(tuple(futures.values()))
        return Select(self.runner, futures)

    def as_completed(self, *futures: Future[T]) -> AsCompleted:
        """`async for future in …`: the futures, in the order in which they are done."""
        return AsCompleted(self.runner, durable_futures(futures))

    def group(self) -> Group:
        """`async with ctx.group() as g`: coroutines that run beside each other. The block ends
        when all have; if one fails the others are cancelled and its error goes on."""
        return self.runner.group()

    def saga(self) -> Saga:
        """`async with ctx.saga() as saga`: what was done is undone on a Terminal error."""
        return Saga(self)


def current_context() -> Context:
    """The context of the handler that is running; raises Misuse where none is, as in steps."""
    ctx = current.get()
    if ctx is None:
        raise misuse("no handler is running here")
    return ctx


class Awakeable(Future[T]):
    """See Context.awakeable."""

    __slots__ = ("id",)
    id: str


_READS: Final = "state is for handlers of objects and workflows"
_WRITES: Final = "state is set by exclusive handlers of an object and the run of a workflow"
_ELSEWHERE: Final = {
    "clear": _WRITES,
    "clear_all": _WRITES,
    "get": _READS,
    "key": "objects and workflows have keys",
    "promise": "promises belong to workflows",
    "set": _WRITES,
    "state_keys": _READS,
    "state_now": _READS,
}
_TIME: Final = Traits("time", False, serde_for(float))
