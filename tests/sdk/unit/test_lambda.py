"""AWS Lambda: events in the form of an engine's, answered whole."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

from perdure.service import Service
from perdure.transports.application import App
from perdure.transports.aws_lambda import COMPRESSED_FROM_BYTES, LambdaHandler
from perdure.wire import media_type, zstd
from tests.sdk.unit.test_asgi import Echo


class Late(Echo):
    def end_input(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.005, self._send, b" late")
        loop.call_later(0.01, self._end)


@pytest.fixture
def handler() -> Iterator[LambdaHandler]:
    service = Service("S")
    service.handler(name="h")(lambda ctx: None)
    made = App([service], Late).lambda_handler()
    yield made
    made.close()


def _event(path: str, method: str = "POST", **headers: str) -> dict[str, Any]:
    headers.setdefault("Content-Type", media_type(6))
    body = base64.b64encode(b"\xc3\xa4a").decode()
    return {
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "body": body,
        "isBase64Encoded": True,
    }


def test_an_event_is_an_attempt(handler: LambdaHandler) -> None:
    for _ in range(2):  # the process is used again
        answer = handler(_event("/invoke/S/h"), None)
        assert answer["statusCode"] == 200
        assert answer["headers"]["content-type"] == media_type(6)
        assert answer["isBase64Encoded"] is True
        assert base64.b64decode(answer["body"]) == b"\xc3\xa4a".upper() + b" late"


def test_discovery_says_that_there_is_no_duplex(handler: LambdaHandler) -> None:
    answer = handler(_event("/discover", "GET"), None)
    assert answer["statusCode"] == 200
    assert b'"REQUEST_RESPONSE"' in base64.b64decode(answer["body"])


def test_what_is_no_event_is_refused(handler: LambdaHandler) -> None:
    assert handler({"Records": []}, None)["statusCode"] == 400
    assert handler({**_event("/invoke/S/h"), "body": "*"}, None)["statusCode"] in (200, 400)
    assert handler({**_event("/invoke/S/h"), "headers": None}, None)["statusCode"] == 400
    assert handler(_event("/invoke/S/x"), None)["statusCode"] == 404


@pytest.fixture
def library() -> None:
    if not zstd.is_available():
        pytest.skip("zstd is not installed")


@pytest.mark.usefixtures("library")
def test_zstd_is_offered_and_undone(handler: LambdaHandler) -> None:
    accept = "application/vnd.restate.endpointmanifest.v4+json"
    answer = handler(_event("/discover", "GET", accept=accept), None)
    assert b'"lambdaCompression":"zstd"' in base64.b64decode(answer["body"])
    event = _event("/invoke/S/h", **{"content-encoding": "zstd", "accept-encoding": "zstd"})
    event["body"] = base64.b64encode(zstd.compress(b"body")).decode()
    answer = handler(event, None)
    assert base64.b64decode(answer["body"]) == b"BODY late"  # small: as it is
    assert "content-encoding" not in answer["headers"]


@pytest.mark.usefixtures("library")
def test_a_large_reply_is_compressed_for_whoever_takes_it(handler: LambdaHandler) -> None:
    large = b"x" * COMPRESSED_FROM_BYTES
    event = {**_event("/invoke/S/h"), "body": base64.b64encode(large).decode()}
    assert "content-encoding" not in handler(event, None)["headers"]
    event["headers"]["Accept-Encoding"] = "zstd"
    answer = handler(event, None)
    assert answer["headers"]["content-encoding"] == "zstd"
    assert len(answer["body"]) < 10_000
    assert zstd.decompress(base64.b64decode(answer["body"]), "") == large.upper() + b" late"


@pytest.mark.usefixtures("library")
def test_what_is_no_zstd_or_too_much_is_refused(
    handler: LambdaHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zstd, "BODY_BYTES_MAX", 1000)
    whole = zstd.compress(b"x" * 900)
    for data in (b"none", whole[:-3], zstd.compress(b"x" * 1001)):
        event = _event("/invoke/S/h", **{"content-encoding": "zstd"})
        event["body"] = base64.b64encode(data).decode()
        assert handler(event, None)["statusCode"] == 400
