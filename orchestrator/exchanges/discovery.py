"""Discovery: asks an endpoint what it serves, and checks that it answers as it should."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.aws import AwsLambda
from orchestrator.exchanges.dialing import Dialer
from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.functions import CallThreads, FunctionCaller, FunctionPool
from orchestrator.exchanges.heads import Head, base_head, clean_headers
from orchestrator.exchanges.http2 import ANSWERED_HTTP1
from orchestrator.exchanges.origin import BadUri, Origin, parse_origin
from orchestrator.exchanges.pool import NO_HTTP2, Pool
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.errors import (
    BAD_MANIFEST,
    HTTP1_ANSWER,
    NO_BIDI,
    UNREACHABLE,
    RegistryError,
)
from orchestrator.registry.manifest import ACCEPT, MEDIA_TYPES, VERSIONS, decode_manifest
from orchestrator.runtime.clock import Clock

if TYPE_CHECKING:  # its library is loaded where requests are signed
    from orchestrator.exchanges.signing import Signer

PATH: Final = "/discover"
ATTEMPTS_MAX: Final = 5
ATTEMPT_TIMEOUT_S: Final = 5.0
FUNCTION_TIMEOUT_S: Final = 20.0
_PAUSE_S: Final = 0.1  # before the second attempt; doubles
_MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
_WORTH_RETRYING: Final = frozenset((408, 429, 500, 502, 503, 504))
_SHOWN_BYTES: Final = 200


class _Retryable(Exception):
    """This attempt failed; the next may not."""


class _Answer:
    """Collects a response."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: HeaderLines = ()
        self.body = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_response(self, status: int, headers: HeaderLines) -> None:
        self.status, self.headers = status, headers

    def on_body(self, data: bytes | list[bytes]) -> None:
        if isinstance(data, list):
            data = b"".join(data)
        if len(self.body) + len(data) > _MANIFEST_BYTES_MAX:
            self._fail(RegistryError(BAD_MANIFEST, "the endpoint manifest is too large"))
        else:
            self.body += data

    def on_drained(self) -> None:
        """Nothing more is sent."""

    def on_end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def on_broken(self, reason: str, untouched: bool) -> None:
        if reason in (ANSWERED_HTTP1, NO_HTTP2):
            self._fail(RegistryError(HTTP1_ANSWER, reason))
        else:
            self._fail(_Retryable(reason))

    def header(self, name: bytes) -> str:
        found = next((value for key, value in self.headers if key == name), b"")
        return found.decode("utf-8", "replace")

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Discovery:
    """Asks endpoints; `discover` is what registration needs."""

    def __init__(
        self,
        clock: Clock,
        signer: "Signer | None",
        cluster_name: str,
        ca_file: Path | None = None,
        apps: Apps | None = None,
        functions: FunctionCaller | None = None,
    ) -> None:
        self._functions = functions or AwsLambda()
        self._threads = CallThreads()
        self._apps = Apps() if apps is None else apps
        self._clock = clock
        self._signer = signer
        self._cluster_name = cluster_name
        self._dialer = Dialer(ca_file)

    async def discover(self, target: DiscoveryTarget) -> Discovered:
        """Ask, again if need be; raises RegistryError."""
        pause_s, reason = _PAUSE_S, ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(pause_s)
                pause_s *= 2
            try:
                return await self._ask(target)
            except _Retryable as error:
                reason = str(error)
        raise RegistryError(
            UNREACHABLE, f"{target.uri} was asked {ATTEMPTS_MAX} times, the last time: {reason}"
        )

    async def _ask(self, target: DiscoveryTarget) -> Discovered:
        try:
            origin = parse_origin(target.uri, target.assume_role)
        except BadUri as error:
            raise RegistryError(UNREACHABLE, str(error)) from None
        if origin.in_process:
            return self._ask_app(origin.host)
        head = base_head(origin, "GET", PATH) + self._headers(target)
        pool = self._pool(origin, target.http1)
        answer = _Answer()
        exchange = Exchange(head, [], True, answer)
        try:
            pool.open(exchange)
            # A function may have to be started first.
            patience_s = FUNCTION_TIMEOUT_S if origin.function else ATTEMPT_TIMEOUT_S
            async with asyncio.timeout(patience_s):
                await answer.done
        except TimeoutError:
            raise _Retryable(f"no answer within {patience_s:.0f} s") from None
        finally:
            exchange.cancel()
            pool.close("done")
        found = _read(answer, exchange.http_version)
        if origin.function and found.manifest.protocol_mode == "BIDI_STREAM":
            raise RegistryError(NO_BIDI, "AWS Lambda has no bidirectional streams", status=400)
        return found

    def _pool(self, origin: Origin, http1: bool) -> Pool | FunctionPool:
        if origin.function:
            calls = (self._functions, self._threads)
            return FunctionPool(origin.function, origin.role, *calls, _nothing, _nothing)
        return Pool(origin, http1, self._dialer, _nothing, _nothing)

    def _ask_app(self, name: str) -> Discovered:
        app = self._apps.get(name)
        if app is None:
            raise RegistryError(UNREACHABLE, f"there is no app {name!r} in this process")
        return Discovered(decode_manifest(app.manifest(VERSIONS[0])), app.server)

    def _headers(self, target: DiscoveryTarget) -> Head:
        head = [(b"accept", ACCEPT.encode())]
        if self._cluster_name:
            head += clean_headers((("x-restate-cluster-name", self._cluster_name),))
        head += clean_headers(target.additional_headers)
        if self._signer is not None:
            head += self._signer.headers(PATH, "", self._clock.now_ms() // 1000)
        return head


def _nothing() -> None:
    pass


def _read(answer: _Answer, http_version: str) -> Discovered:
    status = answer.status
    if status in _WORTH_RETRYING:
        raise _Retryable(f"HTTP status {status}{_message_of(answer)}")
    if status == 404:
        raise RegistryError(UNREACHABLE, f"there is no {PATH} at this address: HTTP status 404")
    if not 200 <= status < 300:
        raise RegistryError(
            UNREACHABLE, f"discovery failed: HTTP status {status}{_message_of(answer)}"
        )
    content_type = answer.header(b"content-type")
    if content_type not in MEDIA_TYPES:
        raise RegistryError(
            BAD_MANIFEST,
            f"the endpoint answered with the content type {content_type[:_SHOWN_BYTES]!r};"
            f" this server reads {', '.join(MEDIA_TYPES)}",
        )
    return Discovered(
        decode_manifest(bytes(answer.body)), answer.header(b"x-restate-server"), http_version
    )


def _message_of(answer: _Answer) -> str:
    text = bytes(answer.body[:_SHOWN_BYTES]).decode("utf-8", "replace").strip()
    return f": {text}" if text else ""
