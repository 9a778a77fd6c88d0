"""What a call and a step cost where engine and app share a process, in calls of functions: a limit
that no load makes flaky."""

import asyncio

import perdure
from orchestrator.embedding import EmbeddedEngine
from perdure.in_process import InProcessApp
from tests.parts.call_counts import counted

STEP_CALLS_MAX = 295  # some 45 of them are the clock of an engine in memory
CALL_CALLS_MAX = 990
STEPS = 40

steps = perdure.Service("Steps")


async def given(number: int) -> int:
    return number


@steps.handler
async def walk(ctx: perdure.Context, count: int) -> int:
    return sum([await ctx.step(given, number) for number in range(count)])


def _calls(count: int) -> int:
    """Of a call with so many steps, of an engine that has answered one like it before."""

    async def main() -> int:
        app = perdure.app(steps)
        engine = await EmbeddedEngine.start(
            data_dir=None, apps=[InProcessApp(app.endpoint, app.start)], ingress=False, admin=False
        )
        try:
            body, headers = b"%d" % count, {"content-type": "application/json"}
            await engine.request("POST", "/Steps/walk", headers, body)
            with counted() as calls:
                reply = await engine.request("POST", "/Steps/walk", headers, body)
            assert reply.body == b"%d" % sum(range(count))
            return calls.count
        finally:
            await engine.close()

    return asyncio.run(main())


def test_a_step_and_a_call_cost_few_calls_of_functions() -> None:
    none, some = _calls(0), _calls(STEPS)
    assert none <= CALL_CALLS_MAX
    assert (some - none) / STEPS <= STEP_CALLS_MAX
