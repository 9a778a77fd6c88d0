"""An agent of Pydantic AI, durable by one line: its capability.

    pip install 'perdure[pydantic-ai]'
    perdure dev examples/agent_pydantic_ai.py
    curl localhost:8080/adviser/ask --json '"Should I take an umbrella in Oslo?"'

The model is Pydantic AI's own for tests: it calls each tool once. Name a real one in its place,
such as "openai:gpt-5" or "anthropic:claude-sonnet-5".
"""

from datetime import timedelta

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel

import perdure
from perdure.ai.pydantic_ai import PerdureDurability

PATIENT = perdure.Retry(max_attempts=60, max_duration=timedelta(hours=1))

agent = Agent(
    TestModel(),
    name="adviser",
    deps_type=perdure.Context,
    instructions="You advise travellers, in one sentence.",
    capabilities=[PerdureDurability(retry=PATIENT)],
)


@agent.tool_plain
async def weather(city: str) -> str:
    """The weather in a city."""
    print(f"looking up the weather in {city}")
    return "rain"


@agent.tool(metadata={"perdure": False})
async def visits(run: RunContext[perdure.Context], city: str) -> int:
    """How many have asked for a city. No step but a part of the handler: it calls another one."""
    return await run.deps.call(City.visit, key=city)


class City(perdure.Object):
    visits: int = perdure.state(default=0)

    @perdure.handler
    async def visit(self) -> int:
        self.visits += 1
        return self.visits


adviser = perdure.Service("adviser")


@adviser.handler
async def ask(ctx: perdure.Context, question: str) -> str:
    """Each answer of the model and each call of a tool happens once, whatever crashes."""
    result = await agent.run(question, deps=ctx)
    return result.output


app = perdure.app(adviser, City)
