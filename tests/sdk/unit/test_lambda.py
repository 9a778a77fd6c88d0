"""AWS Lambda: events in the form of an engine's, answered whole."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

from perdure.service import Service
from perdure.transports.application import App
from perdure.transports.aws_lambda import LambdaHandler
from perdure.wire import media_type
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
