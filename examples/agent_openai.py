"""An agent of the OpenAI Agents SDK, durable by one line: its runner.

    pip install 'perdure[openai-agents]'
    perdure dev examples/agent_openai.py
    curl localhost:8080/helper/ask --json '"Should I take an umbrella in Oslo?"'

The model is the SDK's own for tests: it follows a script. Leave `model=` out for a real one.
"""

from datetime import timedelta
from typing import Any

from agents import Agent, function_tool
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call

import perdure
from perdure.ai.openai_agents import DurableRunner

PATIENT = perdure.Retry(max_attempts=60, max_duration=timedelta(hours=1))


@function_tool
async def weather(city: str) -> str:
    """The weather in a city."""
    print(f"looking up the weather in {city}")
    return "rain"


def answer(asked: ModelCall) -> list[Any]:
    """Stands in for a model: it looks the weather up, then answers."""
    print("asking the model")
    if any("output" in item for item in asked.input):
        return [assistant_message("Yes: rain in Oslo.")]
    return [function_call("weather", {"city": "Oslo"}, call_id="c1")]


agent = Agent(
    "helper",
    instructions="Answer in one sentence.",
    tools=[weather],
    model=ScriptedModel([ModelStep.respond(answer)] * 1000),
)
helper = perdure.Service("helper")


@helper.handler
async def ask(ctx: perdure.Context, question: str) -> str:
    """Each answer of the model and each call of a tool happens once, whatever crashes."""
    result = await DurableRunner.run(agent, question, retry=PATIENT)
    return result.final_output_as(str)


app = perdure.app(helper)
