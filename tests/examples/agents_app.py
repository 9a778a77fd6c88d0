"""Agents of both libraries, on those libraries' own models for tests, with all that is difficult:
parallel tools, tools in the handler, handovers, errors that are final."""

from __future__ import annotations

import asyncio
from typing import Any

from agents import Agent as OpenAIAgent
from agents import function_tool
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import perdure
from perdure.ai.openai_agents import DurableRunner, in_handler
from perdure.ai.pydantic_ai import PerdureDurability

effects: list[str] = []  # what has happened, in this process


def happened(what: str) -> str:
    effects.append(what)
    return what


async def look_up(city: str) -> str:
    """The later a city is named, the sooner it is found."""
    await asyncio.sleep({"oslo": 0.03, "rome": 0.02, "bonn": 0.01}[city])
    return happened(f"looked up {city}")


# -- Pydantic AI


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    happened("model")
    results = [
        part.content
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]
    if results:
        return ModelResponse(parts=[TextPart("; ".join(str(one) for one in results))])
    prompt = str(messages[0].parts[-1].content)
    if prompt == "nonsense":
        raise UserError("this agent is set up wrongly")
    if prompt == "approve":
        return ModelResponse(parts=[ToolCallPart("approval", {})])
    return ModelResponse(parts=[ToolCallPart("find", {"city": one}) for one in prompt.split()])


pydantic_agent = Agent(
    FunctionModel(model),
    name="pydantic",
    deps_type=perdure.WorkflowContext,
    capabilities=[PerdureDurability(tool_retry=perdure.Retry(max_attempts=3))],
)


@pydantic_agent.tool_plain
async def find(city: str) -> str:
    """Look a city up."""
    return await look_up(city)


@pydantic_agent.tool(metadata={"perdure": False})
async def approval(run: RunContext[perdure.WorkflowContext]) -> str:
    """Wait for a person."""
    return await run.deps.promise("approved", str)


# -- OpenAI Agents


def scripted(call: ModelCall) -> list[Any]:
    happened("model")
    done = [item for item in call.input if item.get("type") == "function_call_output"]
    cities = str(call.input[0]["content"]).split()
    if cities == ["hand", "over"]:
        if call.handoffs:
            return [function_call(call.handoffs[0].tool_name, {}, call_id="h1")]
        return [assistant_message("the other one speaks")]
    if done:
        return [assistant_message("; ".join(item["output"] for item in done))]
    if cities == ["approve"]:
        return [function_call("approved", {}, call_id="a1")]
    return [function_call("search", {"city": one}, call_id=f"c{n}") for n, one in enumerate(cities)]


@function_tool
async def search(city: str) -> str:
    """Look a city up."""
    return await look_up(city)


@in_handler
@function_tool
async def approved() -> str:
    """Wait for a person."""
    ctx = perdure.current_context()
    assert isinstance(ctx, perdure.WorkflowContext)
    return await ctx.promise("approved", str)


openai_model = ScriptedModel([ModelStep.respond(scripted)] * 1000)
other = OpenAIAgent("other", model=openai_model)
openai_agent = OpenAIAgent("openai", model=openai_model, tools=[search, approved], handoffs=[other])


class Asking(perdure.Workflow):
    """Two ways to ask; the key says how."""

    @perdure.run
    async def ask(self, question: str) -> str:
        if self.ctx.key.startswith("pydantic"):
            answer = await pydantic_agent.run(question, deps=self.ctx)
            return answer.output
        result = await DurableRunner.run(openai_agent, question)
        return result.final_output_as(str)

    @perdure.handler
    async def approve(self, word: str) -> None:
        await self.ctx.promise("approved").resolve(word)


effects_of = perdure.Service("effects")


@effects_of.handler
async def take(ctx: perdure.Context) -> list[str]:
    """What has happened since the last time."""

    def taken() -> list[str]:
        found = list(effects)
        effects.clear()
        return found

    return await ctx.step(taken)


app = perdure.app(Asking, effects_of)
