"""The client for asyncio; it belongs to one event loop."""

from collections.abc import Coroutine, Generator, Mapping
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar, Unpack, overload

from perdure.client.async_http import AsyncHttp
from perdure.client.places import admin_place, read_url
from perdure.client.request import (
    CallFields,
    Named,
    Request,
    Response,
    SendFields,
    Status,
    call_request,
    cancel_request,
    lookup_request,
    named_by_key,
    place_of_id,
    place_of_key,
    read_invocation_id,
    read_nothing,
    read_request,
    read_result,
    read_sent,
    read_status,
    reject_request,
    resolve_request,
    seconds,
    send_request,
    serde_of,
    submit_request,
    workflow_named,
    workflow_request,
)
from perdure.client.retrying import DEFAULT_RETRY
from perdure.definitions import HandlerRef, target_of
from perdure.retry import Retry
from perdure.serde import Serde, serde_for
from perdure.targets import Blocking, BlockingNothing, In, Out, Takes, TakesNothing
from perdure.workflows import run_of

T = TypeVar("T")


class AsyncExchanges(Protocol):
    """How requests reach a server."""

    def exchange(
        self, request: Request, timeout_s: float | None
    ) -> Coroutine[Any, Any, Response]: ...

    async def close(self) -> None: ...


class AsyncClient:
    """Calls handlers through an ingress at `url`, with `token` as bearer, where there is one.

    Requests that may be made twice are made again when a server or a connection fails, as `retry`
    says. So that calls may be, they get an idempotency key of their own; with
    `Retry(max_attempts=1)` they get none, and no request is made again.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry = DEFAULT_RETRY,
        admin_url: str | None = None,
    ) -> None:
        self._url, self._admin_url = url, admin_url
        self._retry = retry
        self._retries = retry.max_attempts != 1
        self._headers = dict(headers or {})
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        self._http: AsyncExchanges = AsyncHttp(read_url(url), self._headers, retry)
        self._admin: AsyncExchanges | None = None

    @classmethod
    def over(cls, http: "AsyncExchanges") -> "AsyncClient":
        """A client whose requests, of every kind, go by `http`."""
        client = cls()
        client._http = client._admin = http
        return client

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.close()
        if self._admin is not None:
            await self._admin.close()

    @overload
    async def call(self, target: Takes[In, Out], arg: In, **options: Unpack[CallFields]) -> Out: ...
    @overload
    async def call(self, target: TakesNothing[Out], **options: Unpack[CallFields]) -> Out: ...
    @overload
    async def call(
        self, target: Blocking[In, Out], arg: In, **options: Unpack[CallFields]
    ) -> Out: ...
    @overload
    async def call(self, target: BlockingNothing[Out], **options: Unpack[CallFields]) -> Out: ...
    @overload
    async def call(
        self, target: str, arg: Any = None, *, returns: type[Out], **options: Unpack[CallFields]
    ) -> Out: ...
    @overload
    async def call(self, target: str, arg: Any = None, **options: Unpack[CallFields]) -> Any: ...
    async def call(
        self, target: Any, arg: Any = None, *, returns: Any = None, **options: Unpack[CallFields]
    ) -> Any:
        """Call a handler and wait for its result.

        Raises Terminal if the invocation failed, RequestRefused if the server did not take the
        call, TimeoutError after `timeout`, and ConnectionError.
        """
        asked = call_request(target, arg, options, returns, self._retries)
        return asked.read(await self._ask(asked.request, options.get("timeout")))

    @overload
    async def send(
        self, target: Takes[In, Out], arg: In, **options: Unpack[SendFields]
    ) -> "AsyncHandle[Out]": ...
    @overload
    async def send(
        self, target: TakesNothing[Out], **options: Unpack[SendFields]
    ) -> "AsyncHandle[Out]": ...
    @overload
    async def send(
        self, target: Blocking[In, Out], arg: In, **options: Unpack[SendFields]
    ) -> "AsyncHandle[Out]": ...
    @overload
    async def send(
        self, target: BlockingNothing[Out], **options: Unpack[SendFields]
    ) -> "AsyncHandle[Out]": ...
    @overload
    async def send(
        self, target: str, arg: Any = None, *, returns: type[Out], **options: Unpack[SendFields]
    ) -> "AsyncHandle[Out]": ...
    @overload
    async def send(
        self, target: str, arg: Any = None, **options: Unpack[SendFields]
    ) -> "AsyncHandle[Any]": ...
    async def send(
        self, target: Any, arg: Any = None, *, returns: Any = None, **options: Unpack[SendFields]
    ) -> Any:
        """Have a handler run, after `delay` where given, and do not wait for it."""
        asked = send_request(target, arg, options, returns, self._retries)
        response = await self._ask(asked.request, options.get("timeout"))
        return AsyncHandle(self, *read_sent(response), asked.serde)

    @overload
    def handle(self, invocation_id: str, returns: type[T]) -> "AsyncHandle[T]": ...
    @overload
    def handle(self, invocation_id: str) -> "AsyncHandle[Any]": ...
    def handle(self, invocation_id: str, returns: Any = None) -> Any:
        """Return the handle of an invocation by its id."""
        serde = None if returns is None else serde_for(returns)
        return AsyncHandle(self, invocation_id, False, serde)

    @overload
    def invocation_of(
        self, target: Takes[In, Out], *, idempotency_key: str, key: str | None = None
    ) -> "AsyncKnownHandle[Out]": ...
    @overload
    def invocation_of(
        self, target: TakesNothing[Out], *, idempotency_key: str, key: str | None = None
    ) -> "AsyncKnownHandle[Out]": ...
    @overload
    def invocation_of(
        self, target: Blocking[In, Out], *, idempotency_key: str, key: str | None = None
    ) -> "AsyncKnownHandle[Out]": ...
    @overload
    def invocation_of(
        self, target: BlockingNothing[Out], *, idempotency_key: str, key: str | None = None
    ) -> "AsyncKnownHandle[Out]": ...
    @overload
    def invocation_of(
        self, target: str, *, idempotency_key: str, key: str | None = None, returns: Any = None
    ) -> "AsyncKnownHandle[Any]": ...
    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = None, returns: Any = None
    ) -> Any:
        """Return the handle of what a call or send with this idempotency key runs, or has run."""
        place = place_of_key(target, key, idempotency_key)
        named = named_by_key(target, key, idempotency_key)
        return AsyncKnownHandle(self, place, serde_of(target, returns), named)

    @overload
    def workflow(self, workflow: Takes[Any, Out], key: str) -> "AsyncWorkflowHandle[Out]": ...
    @overload
    def workflow(self, workflow: TakesNothing[Out], key: str) -> "AsyncWorkflowHandle[Out]": ...
    @overload
    def workflow(self, workflow: Any, key: str) -> "AsyncWorkflowHandle[Any]": ...
    def workflow(self, workflow: Any, key: str) -> Any:
        """Return the handle of a workflow: what it was defined by, its class, its run handler or
        its name."""
        return AsyncWorkflowHandle(self, workflow, key)

    def awakeable(self, awakeable_id: str) -> "AsyncAwakeableHandle":
        """Return the handle of an awakeable by its id."""
        return AsyncAwakeableHandle(self, awakeable_id)

    def _ask(
        self, request: Request, timeout: timedelta | float | None
    ) -> Coroutine[Any, Any, Response]:
        timeout_s = seconds(timeout)
        if not request.to_admin:
            return self._http.exchange(request, timeout_s)
        if self._admin is None:
            place = admin_place(self._url, self._admin_url)
            self._admin = AsyncHttp(place, self._headers, self._retry)
        return self._admin.exchange(request, timeout_s)


class AsyncKnownHandle(Generic[T]):
    """An invocation, whose result is there as long as the server keeps it."""

    def __init__(
        self, client: AsyncClient, place: str, serde: Serde[T] | None, named: Named
    ) -> None:
        self._client = client
        self._place = place
        self._serde = serde
        self._named = named

    def __await__(self) -> Generator[Any, None, T]:
        return self.result().__await__()

    async def result(self, timeout: timedelta | float | None = None) -> T:
        """Wait for the result. Raises Terminal if it failed, TimeoutError after `timeout`."""
        request = read_request(self._place, "attach")
        return read_result(await self._client._ask(request, timeout), self._serde)

    async def attach(self, timeout: timedelta | float | None = None) -> T:
        """The same."""
        return await self.result(timeout)

    async def output(self) -> T:
        """Return the result if there is one; raises NotReady otherwise."""
        request = read_request(self._place, "output")
        return read_result(await self._client._ask(request, None), self._serde)

    async def status(self) -> Status:
        """Return "running", "succeeded", "failed" or, for what the server does not know (any
        more), "unknown"."""
        return read_status(await self._client._ask(read_request(self._place, "output"), None))

    async def lookup(self) -> "AsyncHandle[T]":
        """Return its handle by id. The id follows from what it is known by, whether or not there
        is such an invocation."""
        response = await self._client._ask(lookup_request(self._named), None)
        return AsyncHandle(self._client, read_invocation_id(response), False, self._serde)

    async def cancel(self) -> None:
        """Ask it to end: Cancelled is raised in it where it waits."""
        await (await self.lookup()).cancel()


class AsyncHandle(AsyncKnownHandle[T]):
    """An invocation by its id.

    `is_new`: a send or a submit made it. If not, there was one already, of the same idempotency key
    or workflow, or of the same send, whose first answer was lost and which was sent again.
    """

    def __init__(
        self, client: AsyncClient, invocation_id: str, is_new: bool, serde: Serde[T] | None
    ) -> None:
        named = {"target": "invocation", "invocationId": invocation_id}
        super().__init__(client, place_of_id(invocation_id), serde, named)
        self.id = invocation_id
        self.is_new = is_new

    async def lookup(self) -> "AsyncHandle[T]":
        """Return itself."""
        return self

    async def cancel(self) -> None:
        """Ask it to end: Cancelled is raised in it where it waits."""
        read_nothing(await self._client._ask(cancel_request(self.id), None))


class AsyncWorkflowHandle(Generic[T]):
    """A workflow by its key; typed by its run handler, where it is named by that."""

    def __init__(self, client: AsyncClient, workflow: Any, key: str) -> None:
        self._client = client
        self._name, self._run = run_of(workflow)
        self.key = key

    async def submit(self, arg: Any = None, *, delay: timedelta | None = None) -> AsyncHandle[T]:
        """Start it; a workflow that was started before stays as it is."""
        options: SendFields = {"key": self.key}
        if delay is not None:
            options["delay"] = delay
        asked = submit_request(self._run, arg, options)
        response = await self._client._ask(asked.request, None)
        return AsyncHandle(self._client, *read_sent(response), asked.serde)

    async def attach(self, timeout: timedelta | float | None = None) -> T:
        """Wait for its result."""
        request = workflow_request(self._name, self.key, "attach")
        return read_result(await self._client._ask(request, timeout), self._serde())

    async def output(self) -> T:
        """Return its result if there is one; raises NotReady otherwise."""
        request = workflow_request(self._name, self.key, "output")
        return read_result(await self._client._ask(request, None), self._serde())

    async def status(self) -> Status:
        """See AsyncKnownHandle.status."""
        request = workflow_request(self._name, self.key, "output")
        return read_status(await self._client._ask(request, None))

    async def lookup(self) -> AsyncHandle[T]:
        """Return the handle of its run by id. The id follows from the key, whether or not there
        is such a run."""
        request = lookup_request(workflow_named(self._name, self.key))
        response = await self._client._ask(request, None)
        return AsyncHandle(self._client, read_invocation_id(response), False, self._serde())

    async def cancel(self) -> None:
        """Ask it to end: Cancelled is raised in it where it waits."""
        await (await self.lookup()).cancel()

    def _serde(self) -> Serde[T] | None:
        found = target_of(self._run)
        return found.output if isinstance(found, HandlerRef) else None


class AsyncAwakeableHandle:
    """An awakeable that a handler waits for."""

    def __init__(self, client: AsyncClient, awakeable_id: str) -> None:
        self._client = client
        self.id = awakeable_id

    async def resolve(self, value: Any = None) -> None:
        """Give it a value."""
        read_nothing(await self._client._ask(resolve_request(self.id, value), None))

    async def reject(self, reason: str) -> None:
        """Make it fail: who waits for it gets a Terminal error."""
        read_nothing(await self._client._ask(reject_request(self.id, reason), None))
