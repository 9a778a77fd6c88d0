"""The SDK's own server: peers that are too slow are given up, and TLS is spoken where asked for."""

import asyncio
import http.client
import ssl
from pathlib import Path

import ngh2
import pytest

from perdure.transports import http1, server
from perdure.wire import media_type
from tests.parts.certificates import make_certificate
from tests.sdk.unit.test_server import HEAD, Peer, _place

HEAD_BEGUN = b"POST /invoke/S/h HTTP/1.1\r\nhost: x\r\n"
HEAD_WHOLE = HEAD_BEGUN + f"content-type: {media_type(6)}\r\ncontent-length: 10\r\n\r\n".encode()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SWEEP_S", 0.02)
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr(http1, "HEAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr(http1, "BODY_TIMEOUT_S", 0.1)


SLOW = [
    pytest.param(b"", b"", id="nothing"),
    pytest.param(b"PRI * HT", b"", id="half a preface"),
    pytest.param(HEAD_BEGUN, b"HTTP/1.1 408 ", id="half a head"),
    pytest.param(HEAD_WHOLE + b"1234", b"HTTP/1.1 408 ", id="half a body"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("said", "answer"), SLOW)
def test_a_peer_that_stops_in_the_middle_is_given_up(said: bytes, answer: bytes) -> None:
    async def story() -> None:
        async with _place() as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(said)
            try:
                found = await reader.read()
            except ConnectionResetError:
                found = b""
            assert found.startswith(answer)
            writer.close()
            if b"1234" in said:
                assert place.attempts[0].said == ["h 6", "lost"]

    asyncio.run(story())


def test_a_peer_that_goes_on_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the limit in all, and idle between requests."""
    monkeypatch.setattr(server, "_SWEEP_S", 0.02)
    monkeypatch.setattr(http1, "HEAD_TIMEOUT_S", 1.5)
    monkeypatch.setattr(http1, "BODY_TIMEOUT_S", 1.5)

    async def story() -> None:
        async with _place() as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            for pause_s in (0.4, 0.0):
                writer.write(HEAD_WHOLE)
                for part in (b"123", b"456", b"789", b"0"):
                    await asyncio.sleep(pause_s)
                    writer.write(part)
                assert await reader.readuntil(b"1234567890")
                await asyncio.sleep(4 * pause_s)
            writer.close()

    asyncio.run(story())


@pytest.mark.usefixtures("impatient")
def test_a_stream_of_http2_may_be_silent() -> None:
    async def story() -> None:
        async with _place() as place:
            peer = await Peer.to(place)
            stream = peer.h2.send_request(HEAD)
            peer.h2.send_data(stream, b"a")
            await peer.flush()
            await peer.until(ngh2.DataReceived)
            await asyncio.sleep(0.25)
            peer.h2.send_data(stream, b"b")
            peer.h2.end_stream(stream)
            await peer.flush()
            await peer.until(ngh2.StreamClosed)
            assert peer.body(stream) == b"AB"

    asyncio.run(story())


def test_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)

    async def story() -> None:
        tls = server.tls_context(str(certificate.with_key), None, http1_only=False)
        async with _place(tls=tls) as place:
            trusting = ssl.create_default_context(cafile=certificate.trusted)

            def by_http1() -> bytes:
                connection = http.client.HTTPSConnection(
                    "127.0.0.1", place.port, timeout=10, context=trusting
                )
                head = {"content-type": media_type(6)}
                connection.request("POST", "/invoke/S/h", b"ab", head)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                return body

            assert await asyncio.to_thread(by_http1) == b"AB"
            trusting.set_alpn_protocols(["h2"])
            opened = await asyncio.open_connection("127.0.0.1", place.port, ssl=trusting)
            peer = Peer(*opened)
            place.peers.append(peer)
            found = peer.writer.get_extra_info("ssl_object")
            assert found.selected_alpn_protocol() == "h2"
            stream = peer.h2.send_request(HEAD)
            peer.h2.send_data(stream, b"cd!")
            await peer.flush()
            await peer.until(ngh2.DataReceived)
            assert peer.body(stream) == b"CD!"

    asyncio.run(story())


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        server.tls_context(str(tmp_path / "none.pem"), None, False)
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        server.tls_context(str(tmp_path / "bad.pem"), None, False)
