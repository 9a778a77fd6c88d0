"""Requests to services beside attempts: one whole body there, one whole answer back."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.exchanges.aws import AwsLambda
from orchestrator.exchanges.dialing import ANSWERED_HTTP1, NOT_HTTP2, Dialer
from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.functions import CallThreads, FunctionCaller, FunctionPool
from orchestrator.exchanges.heads import Head, base_head, clean_headers, cluster_header
from orchestrator.exchanges.origin import Origin
from orchestrator.exchanges.pool import NO_HTTP2, Pool
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.errors import HTTP1_ANSWER, RegistryError
from orchestrator.runtime.clock import Clock

if TYPE_CHECKING:  # its library is loaded where requests are signed
    from orchestrator.exchanges.signing import Signer

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
ATTEMPT_TIMEOUT_S: Final = 5.0
FUNCTION_TIMEOUT_S: Final = 20.0  # a function may have to be started first


class NoAnswer(Exception):
    """There was none; a second attempt may have one."""


class AnswerTooLarge(Exception):
    """It has more than ANSWER_BYTES_MAX."""


class ServiceAnswer:
    """Collects a response."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: HeaderLines = ()
        self.body = bytearray()
        self.http_version = ""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_response(self, status: int, headers: HeaderLines) -> None:
        self.status, self.headers = status, headers

    def on_body(self, data: bytes | list[bytes]) -> None:
        if isinstance(data, list):
            data = b"".join(data)
        if len(self.body) + len(data) > ANSWER_BYTES_MAX:
            self._fail(AnswerTooLarge())
        else:
            self.body += data

    def on_drained(self) -> None:
        """Nothing more is sent."""

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_broken(self, reason: str, untouched: bool) -> None:
        if reason in (ANSWERED_HTTP1, NOT_HTTP2, NO_HTTP2):
            self._fail(RegistryError(HTTP1_ANSWER, reason))
        else:
            self._fail(NoAnswer(reason))

    def header(self, name: bytes) -> str:
        found = next((value for key, value in self.headers if key == name), b"")
        return found.decode("utf-8", "replace")

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class ServiceAsker:
    """Asks services, each time on a connection of its own."""

    def __init__(
        self,
        clock: Clock,
        signer: "Signer | None",
        cluster_name: str,
        ca_file: Path | None = None,
        functions: FunctionCaller | None = None,
    ) -> None:
        self._functions = functions or AwsLambda()
        self._threads = CallThreads()
        self._clock = clock
        self._signer = signer
        self._cluster_name = cluster_name
        self._dialer = Dialer(ca_file)

    async def ask(
        self,
        origin: Origin,
        target: DiscoveryTarget,
        method: str,
        path: str,
        headers: Head,
        body: bytes = b"",
    ) -> ServiceAnswer:
        """Send a request signed for `path`; raises NoAnswer, AnswerTooLarge, or RegistryError for
        an answer in HTTP/1.1 to HTTP/2."""
        head = base_head(origin, method, path) + headers + self._headers(target, path)
        pool = self._pool(origin, target.http1)
        answer = ServiceAnswer()
        exchange = Exchange(head, [body] if body else [], True, answer)
        patience_s = FUNCTION_TIMEOUT_S if origin.function else ATTEMPT_TIMEOUT_S
        try:
            pool.open(exchange)
            async with asyncio.timeout(patience_s):
                await answer.done
        except TimeoutError:
            raise NoAnswer(f"no answer within {patience_s:.0f} s") from None
        finally:
            exchange.cancel()
            pool.close("done")
        answer.http_version = exchange.http_version
        return answer

    def _pool(self, origin: Origin, http1: bool) -> Pool | FunctionPool:
        if origin.function:
            calls = (self._functions, self._threads)
            return FunctionPool(origin.function, origin.role, *calls, _nothing, _nothing)
        return Pool(origin, http1, self._dialer, _nothing, _nothing)

    def _headers(self, target: DiscoveryTarget, path: str) -> Head:
        head = cluster_header(self._cluster_name) if self._cluster_name else []
        head = head + clean_headers(target.additional_headers)
        if self._signer is not None:
            head += self._signer.headers(path, "", self._clock.now_ms() // 1000)
        return head


def _nothing() -> None:
    pass
