"""A durable agent: a loop of a model and tools in which no answer is paid for twice.

    perdure dev examples/agent.py
    curl localhost:8080/agent/ask --json '"Should I take an umbrella in Oslo?"'

The model here is a fake that follows a script; `ask_model` is the one function to replace.
"""

import json
from datetime import timedelta
from typing import Any, Literal

from msgspec import Struct

import perdure

TURNS_MAX = 10

agent = perdure.Service("agent")


class ToolCall(Struct):
    id: str
    tool: str
    arguments: dict[str, Any]


class Message(Struct):
    role: Literal["user", "assistant", "tool"]
    text: str = ""
    calls: list[ToolCall] = []
    answers: str = ""  # the id of the call that a message of a tool answers


@agent.handler
async def ask(ctx: perdure.Context, question: str) -> str:
    """Each answer of the model and each result of a tool is a step: after a crash the loop goes on
    where it was, and asks nothing again."""
    messages = [Message("user", question)]
    for turn in range(TURNS_MAX):
        answer = await ctx.step(ask_model, messages, name=f"model {turn}", retry=PATIENT)
        messages.append(answer)
        if not answer.calls:
            return answer.text
        results = await ctx.gather(*[use_tool(ctx, call) for call in answer.calls])
        for call, result in zip(answer.calls, results, strict=True):
            messages.append(Message("tool", json.dumps(result), answers=call.id))
    raise perdure.Terminal(f"no answer after {TURNS_MAX} turns", 422)


# A model that is overloaded is asked again for an hour before the question is given up.
PATIENT = perdure.Retry(max_attempts=60, max_duration=timedelta(hours=1))


def use_tool(ctx: perdure.Context, call: ToolCall) -> perdure.Future[Any]:
    tool = TOOLS.get(call.tool)
    if tool is None:
        return ctx.step(unknown_tool, call.tool)
    return ctx.step(tool, **call.arguments, name=call.tool)


async def weather(city: str) -> dict[str, Any]:
    print(f"looking up the weather in {city}")
    return {"city": city, "rain": city == "Oslo"}


async def unknown_tool(name: str) -> str:
    return f"there is no tool {name}"


TOOLS = {"weather": weather}


async def ask_model(messages: list[Message]) -> Message:
    """Stands in for the client of a model: it looks the weather up, then answers."""
    print(f"asking the model about {len(messages)} messages")
    last = messages[-1]
    if last.role == "user":
        city = next((one for one in ("Oslo", "Cairo") if one in last.text), "Bonn")
        return Message("assistant", calls=[ToolCall("c1", "weather", {"city": city})])
    found = json.loads(last.text)
    word = "Yes" if found["rain"] else "No"
    return Message("assistant", f"{word}: {'rain' if found['rain'] else 'sun'} in {found['city']}.")


app = perdure.app(agent)
