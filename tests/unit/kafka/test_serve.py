"""Whatever a client raises while it is served goes to its owner, and never to the event loop."""

import asyncio
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.kafka import serve
from orchestrator.kafka.serve import Served


def test_a_client_that_fails_while_more_of_it_is_taken_reports_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "_wake_by_queue", lambda *given: lambda: None)
    errors: list[int] = []
    escaped: list[Any] = []
    calls = 0

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: escaped.append(context)
        )

        def take() -> None:
            nonlocal calls
            calls += 1
            served.serve_again()
            served.serve_again()  # asked for once
            if calls > 1:
                raise KafkaException(KafkaError(KafkaError._FATAL))

        served = Served(cast(Any, object()), "c", take, lambda error: errors.append(error.code()))
        for _ in range(4):
            await asyncio.sleep(0)
        assert 2 <= calls <= 4
        assert errors == [KafkaError._FATAL] * (calls - 1)
        before = calls
        served.close()
        for _ in range(3):
            await asyncio.sleep(0)
        assert calls == before

    asyncio.run(story())
    assert not escaped
