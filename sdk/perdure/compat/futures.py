"""Futures that may be awaited more than once, and give values under the serdes of their calls."""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

from perdure.compat.entry_codec import JournalValueCodec
from perdure.compat.exceptions import as_terminal_errors
from perdure.compat.serde import Serde
from perdure.futures import AllSettled, Future
from perdure.invocations import CallFuture
from perdure.invocations import SendHandle as OurSendHandle

T = TypeVar("T")


class RestateDurableFuture(Awaitable[T], Generic[T]):
    """What is awaited in a handler. Without a serde the value is taken as it is."""

    def __init__(
        self,
        inner: Future[Any],
        serde: Serde[T] | None = None,
        codec: JournalValueCodec | None = None,
    ) -> None:
        self.inner = inner
        self._serde = serde
        self._codec = codec
        self._waited = False

    def __await__(self) -> Generator[Any, Any, T]:
        with as_terminal_errors():
            value = yield from self._wait()
        if self._serde is None or value is None:
            return value  # type: ignore[no-any-return]
        if self._codec is not None:
            value = yield from self._codec.decode(value).__await__()
        return self._serde.deserialize(value)  # type: ignore[return-value]

    def _wait(self) -> Generator[Any, Any, Any]:
        if self.inner.done:
            return self.inner.value()
        if not self._waited:
            self._waited = True
            return (yield from self.inner.__await__())
        yield from AllSettled(self.inner.owner, (self.inner,)).__await__()
        return self.inner.value()

    def is_completed(self) -> bool:
        """Say whether awaiting it returns at once."""
        return self.inner.done


class RestateDurableSleepFuture(RestateDurableFuture[None]):
    """A durable timer."""


class RestateDurableCallFuture(RestateDurableFuture[T]):
    """The result of a call."""

    def __init__(
        self,
        inner: CallFuture[Any],
        serde: Serde[T] | None = None,
        codec: JournalValueCodec | None = None,
    ) -> None:
        super().__init__(inner, serde, codec)
        self._id: RestateDurableFuture[str] = RestateDurableFuture(inner.invocation_id)
        self._call = inner

    async def invocation_id(self) -> str:
        """Return the id of the invocation that the call made."""
        return await self._id

    async def cancel_invocation(self) -> None:
        """Ask that invocation to stop."""
        self._call._ctx.invocation(await self._id).cancel()


class SendHandle:
    """An invocation that nobody waits for."""

    def __init__(self, inner: OurSendHandle) -> None:
        self._send = inner
        self._id: RestateDurableFuture[str] = RestateDurableFuture(inner.invocation_id)

    async def invocation_id(self) -> str:
        """Return its id."""
        return await self._id

    async def cancel_invocation(self) -> None:
        """Ask it to stop."""
        self._send._ctx.invocation(await self._id).cancel()
