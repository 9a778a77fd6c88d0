"""Discovery: what is asked, what is taken, and what is refused with its code."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from orchestrator.exchanges import discovery
from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.discovery import ATTEMPTS_MAX, Discovery
from orchestrator.exchanges.signing import parse_signer
from orchestrator.invoker.options import InvokerOptions
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.errors import RegistryError
from orchestrator.runtime.clock import SystemClock
from tests.parts.certificates import make_certificate
from tests.unit.exchanges.test_signing import PEM
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import MANIFEST, ScriptedService
from tests.unit.invoker.scripted_http1 import Request, ScriptedHttp1
from tests.unit.invoker.test_faults import good
from tests.unit.invoker.worlds import run

V4 = "application/vnd.restate.endpointmanifest.v4+json"


def plain() -> Discovery:
    return Discovery(ServiceAsker(SystemClock(), None, ""))


def answer(body: object = None, status: str = "200 OK", kind: str = V4) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body or MANIFEST).encode()

    async def respond(request: Request) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nX-Restate-Server: sdk/9\r\n"
        request.write(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)

    return respond


async def ask(*answers: Any, headers: tuple[tuple[str, str], ...] = ()) -> Discovered:
    server = await ScriptedHttp1(*answers).start()
    try:
        discovery = Discovery(ServiceAsker(SystemClock(), None, ""))
        return await discovery.discover(DiscoveryTarget(server.uri, True, headers))
    finally:
        await server.stop()


def test_what_is_asked_and_what_comes_back() -> None:
    async def test() -> None:
        server = await ScriptedHttp1(answer()).start()
        signer = parse_signer(PEM)
        discovery = Discovery(ServiceAsker(SystemClock(), signer, "prod"))
        found = await discovery.discover(DiscoveryTarget(server.uri + "pre", True, (("x-a", "1"),)))
        await server.stop()
        assert found.sdk_version == "sdk/9" and found.http_version == "1.1"
        assert [service.name for service in found.manifest.services] == ["Svc", "Obj", "Flow"]
        (request,) = server.requests
        assert request.line == "GET /pre/discover HTTP/1.1"
        assert request.headers["accept"] == ", ".join(
            f"application/vnd.restate.endpointmanifest.v{n}+json" for n in (4, 3, 2, 1)
        )
        assert request.headers["x-restate-cluster-name"] == "prod"
        assert request.headers["x-a"] == "1"
        assert request.headers["x-restate-signature-scheme"] == "v1"
        assert request.headers["x-restate-jwt-v1"].count(".") == 2

    run(test)


def test_http2_says_so() -> None:
    async def test() -> None:
        service = await ScriptedService(good).start()
        found = await plain().discover(service.target)
        assert found.http_version == "2" and found.sdk_version == "scripted/1.0"
        await service.stop()

    run(test)


@pytest.mark.parametrize("status", ["408", "429", "500", "502", "503", "504"])
def test_some_statuses_are_worth_another_try(status: str) -> None:
    async def test() -> None:
        found = await ask(answer(b"busy", f"{status} X", "text/plain"), answer())
        assert found.manifest.max_protocol_version == 7

    run(test)


@pytest.mark.parametrize(
    ("reply", "code", "text"),
    [
        (answer(b"", "404 Not Found"), "META0003", "404"),
        (answer(b"page-text", "401 Unauthorized"), "META0003", "HTTP status 401"),
        (answer(b"page-text", "000 X"), "META0003", "HTTP status 000"),
        (answer(b"page-text", kind="text/html"), "META0013", "text/html"),
        (answer(b"page-text"), "META0013", "not valid"),
        (answer(kind=V4 + "; charset=utf-8"), "META0013", "charset"),
        (answer(kind="application/json"), "META0013", "application/json"),
        (answer(kind=V4.replace("v4", "v5")), "META0013", "v5+json"),
        (answer(b"{"), "META0013", "not valid"),
        (answer(b"\xff\xfe"), "META0013", "not valid"),
        (answer({**MANIFEST, "surplus": 1}), "META0013", "surplus"),
        (answer({**MANIFEST, "protocolMode": None}), "META0013", "protocolMode"),
        (answer({**MANIFEST, "services": [{"name": "a b"}]}), "META0013", "services"),
        (answer({**MANIFEST, "maxProtocolVersion": "7"}), "META0013", "maxProtocolVersion"),
    ],
)
def test_what_is_refused_at_once(reply: Any, code: str, text: str) -> None:
    async def test() -> None:
        with pytest.raises(RegistryError) as caught:
            await ask(reply, answer())
        assert caught.value.code == code
        assert text in caught.value.message
        assert "page-text" not in caught.value.message  # whatever page it was

    run(test)


def test_one_that_stays_down_is_unreachable() -> None:
    async def test() -> None:
        server = await ScriptedHttp1(answer(b"page-text", "503 X", "text/plain")).start()
        with pytest.raises(RegistryError) as caught:
            await plain().discover(DiscoveryTarget(server.uri, True))
        await server.stop()
        assert caught.value.code == "META0003" and "status 503" in caught.value.message
        assert "page-text" not in caught.value.message
        assert len(server.requests) == ATTEMPTS_MAX

    run(test)


def test_nobody_listens() -> None:
    async def test() -> None:
        server = await ScriptedHttp1(answer()).start()
        await server.stop()
        with pytest.raises(RegistryError) as caught:
            await plain().discover(DiscoveryTarget(server.uri))
        assert caught.value.code == "META0003" and "cannot connect" in caught.value.message

    run(test)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_host_that_cannot_be_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ATTEMPTS_MAX", 1)

    async def test() -> None:
        with pytest.raises(RegistryError) as caught:
            await plain().discover(DiscoveryTarget(f"http://{host}:9080/"))
        assert caught.value.code == "META0003" and "cannot connect" in caught.value.message

    run(test)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        b"<!DOCTYPE HTML>\n<p>Invalid HTTP version (2.0)</p>",  # http.server of Python
        b"-ERR unknown command 'PRI'\r\n",
    ],
)
def test_an_answer_to_http2_in_something_else(said: bytes) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(said)
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RegistryError) as caught:
            await plain().discover(DiscoveryTarget(f"http://127.0.0.1:{port}/"))
        server.close()
        assert caught.value.code == "META0014" and "use_http_11" in caught.value.message

    run(test)


def test_a_manifest_without_end() -> None:
    async def endless(request: Request) -> None:
        request.write(f"HTTP/1.1 200 OK\r\ncontent-type: {V4}\r\n\r\n".encode())
        for _ in range(20):
            request.write(b" " * 1024 * 1024)
            await request.writer.drain()

    async def test() -> None:
        with pytest.raises(RegistryError) as caught:
            await ask(endless)
        assert caught.value.code == "META0013" and "too large" in caught.value.message

    run(test)


def served_over_tls(directory: Path, protocols: list[str]) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context that offers `protocols`, and the file that vouches for it."""
    certificate = make_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_key)
    context.set_alpn_protocols(protocols)
    return context, certificate.trusted


@pytest.mark.parametrize("on_uvloop", [True, False])
def test_attempts_over_tls(tmp_path: Path, on_uvloop: bool) -> None:
    async def test() -> None:
        context, ca_file = served_over_tls(tmp_path, ["h2"])
        service = await ScriptedService(good).start(context)
        partition = Partition(InvokerOptions(services_ca_file=ca_file))
        discovery = Discovery(ServiceAsker(partition.clock, None, "", ca_file))
        partition.register(service.target, await discovery.discover(service.target))
        assert await partition.call("Svc", "run", b"in") == b"out"
        assert service.requests[0].headers[":scheme"] == "https"
        await partition.invoker.close()
        await service.stop()

    run(test, on_uvloop)


def test_tls_without_http2_needs_http1(tmp_path: Path) -> None:
    async def test() -> None:
        context, ca_file = served_over_tls(tmp_path, ["http/1.1"])
        server = await ScriptedHttp1(answer()).start(context)
        discovery = Discovery(ServiceAsker(SystemClock(), None, "", ca_file))
        with pytest.raises(RegistryError) as caught:
            await discovery.discover(DiscoveryTarget(server.uri))
        assert caught.value.code == "META0014"
        found = await discovery.discover(DiscoveryTarget(server.uri, http1=True))
        assert found.http_version == "1.1"
        await server.stop()

    run(test)


def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    async def test() -> None:
        context, _ = served_over_tls(tmp_path, ["h2"])
        service = await ScriptedService(good).start(context)
        with pytest.raises(RegistryError) as caught:
            await plain().discover(service.target)
        assert caught.value.code == "META0003"
        assert "certificate verify failed" in caught.value.message
        assert "--services-ca-file" in caught.value.message
        await service.stop()

    assert ssl.HAS_ALPN
    run(test)


def test_an_endpoint_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "ATTEMPTS_MAX", 1)

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RegistryError) as caught:
            await plain().discover(DiscoveryTarget(f"https://127.0.0.1:{port}/"))
        server.close()
        assert "does not speak TLS: write http:// instead" in caught.value.message

    run(test)
