"""However many operators ask at the same time, one request is worked on in a round of the loop."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from orchestrator.admin.turns import OneARound


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_one_request_is_worked_on_in_a_round(body: bytes) -> None:
    rounds: list[int] = []
    now = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if body:
            await receive()
        rounds.append(now)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def main() -> None:
        nonlocal now
        turns = OneARound(app)
        asked = [asyncio.ensure_future(turns({}, receive, send)) for _ in range(20)]
        gone = asyncio.ensure_future(turns({}, receive, send))
        while not all(one.done() for one in asked):
            now += 1
            if now == 5:
                gone.cancel()  # its client went away: it keeps nobody waiting
            await asyncio.sleep(0)

    asyncio.run(main())
    assert len(rounds) == 20 and len(set(rounds)) == 20
    assert rounds[-1] <= 100
