"""Other invocations as a handler sees them: what a call or send gives, and what an id names."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from perdure.errors import Terminal
from perdure.failures import wire_failure
from perdure.futures import DONE, Done, Future
from perdure.misuse import misuse, writable
from perdure.serde import Serde, as_serde, encode_value
from perdure.wire.calls import AttachTarget
from perdure.wire.codes import CANCEL_SIGNAL
from perdure.wire.identities import SERVER_VERSION, idempotent_id, workflow_id
from perdure.wire.ids import invocation_id_to_str
from perdure.wire.values import IdempotentRequestTarget, WorkflowTarget

if TYPE_CHECKING:
    from perdure.calling import Calling

T = TypeVar("T")


def check_signal_name(name: object) -> None:
    """Raise Misuse for what names no signal: by number they are cancellations and awakeables."""
    if not isinstance(name, str) or not name or writable(name) != name:
        raise misuse(f"a signal is named by text, not by {name!r}")


class CallFuture(Future[T]):
    """The result of a call, and a handle on the invocation that it made."""

    __slots__ = ("_ctx", "invocation_id")

    invocation_id: Future[str]
    """The id of the invocation, to be awaited."""

    def __init__(self, ctx: Calling, decode: Callable[[bytes], T]) -> None:
        super().__init__(ctx.runner, decode)
        self._ctx = ctx
        self.invocation_id = Future(ctx.runner)

    async def cancel(self) -> None:
        """Ask the invocation to stop; its result will tell how it ended."""
        self._ctx.invocation(await self.invocation_id).cancel()


class SendHandle:
    """An invocation that nobody waits for. Awaiting it gives the handle itself, once the
    invocation has its id."""

    __slots__ = ("_ctx", "_id", "invocation_id")

    def __init__(self, ctx: Calling) -> None:
        self._ctx = ctx
        self.invocation_id: Future[str] = Future(ctx.runner)
        self._id: str | None = None

    def __await__(self) -> Generator[Any, None, SendHandle]:
        self._id = yield from self.invocation_id.__await__()
        return self

    @property
    def id(self) -> str:
        """The id of the invocation; there once the handle was awaited."""
        if self._id is None:
            self._id = self.invocation_id.result()
        return self._id

    async def cancel(self) -> None:
        """Ask the invocation to stop."""
        if self._id is None:
            await self
        assert self._id is not None
        self._ctx.invocation(self._id).cancel()


class KnownInvocation(Generic[T]):
    """An invocation by what its id follows from: the key of a workflow, or an idempotency key."""

    __slots__ = ("_ctx", "_serde", "_target")

    _ctx: Calling

    def __init__(self, ctx: Calling, target: AttachTarget, serde: Serde[T]) -> None:
        self._ctx = ctx
        self._serde = serde
        self._target = target

    def attach(self) -> Future[T]:
        """Wait for its result."""
        future: Future[T] = Future(self._ctx.runner, self._serde.decode)
        self._ctx.machine.attach(future, self._target)
        return future

    def output(self) -> Future[T | None]:
        """Its result if it has ended, else None."""
        future: Future[T | None] = Future(self._ctx.runner, self._serde.decode)
        self._ctx.machine.get_output(future, self._target)
        return future

    def cancel(self) -> Done:
        """Ask it to stop: it gets a Cancelled where it waits; nothing happens if there is none.
        Only on a Perdure server, whose ids follow from keys: elsewhere a Misuse."""
        if SERVER_VERSION not in self._ctx.runner.request_headers:
            raise misuse("this server does not tell the ids of keys: cancel by ctx.invocation(id)")
        invocation_id = invocation_id_to_str(_id_of(self._target))
        self._ctx.machine.send_signal(invocation_id, CANCEL_SIGNAL)
        return DONE


def _id_of(target: AttachTarget) -> bytes:
    if isinstance(target, WorkflowTarget):
        return workflow_id(target.workflow_name, target.workflow_key)
    assert isinstance(target, IdempotentRequestTarget)
    return idempotent_id(
        target.service_name, target.service_key, target.handler_name, target.idempotency_key
    )


class Invocation(KnownInvocation[T]):
    """An invocation by its id."""

    __slots__ = ("id",)

    def __init__(self, ctx: Calling, invocation_id: str, returns: Any) -> None:
        super().__init__(ctx, invocation_id, as_serde(returns))
        self.id = invocation_id

    def cancel(self) -> Done:
        """Ask it to stop: it gets a Cancelled where it waits."""
        self._ctx.machine.send_signal(self.id, CANCEL_SIGNAL)
        return DONE

    def signal(self, name: str, value: Any = None) -> Done:
        """Give it a signal with a value; it takes it by `ctx.signal(name)`."""
        check_signal_name(name)
        self._ctx.machine.send_signal(self.id, name, encode_value(value))
        return DONE

    def reject_signal(self, name: str, message: str, code: int = 500) -> Done:
        """Give it a signal that fails where it is awaited."""
        check_signal_name(name)
        failure = wire_failure(Terminal(message, code))
        self._ctx.machine.send_signal(self.id, name, None, failure)
        return DONE
