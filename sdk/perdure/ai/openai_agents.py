"""Agents of the OpenAI Agents SDK, durable: `DurableRunner.run(…)` in place of `Runner.run(…)`.

In a handler every answer of a model, and every call of a function tool, is a step; elsewhere it is
the same as theirs. Needs the extra `openai-agents`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any, Final

import agents
from agents import Agent, FunctionTool, Handoff, ModelResponse, RunConfig, RunResult
from agents.models.interface import Model, ModelProvider
from pydantic import TypeAdapter

from perdure.context import Context, current
from perdure.errors import Misuse, Terminal
from perdure.retry import Retry

_IN_HANDLER: Final = "__perdure_in_handler__"
_RESPONSE: Final = TypeAdapter(ModelResponse)
_UNFIT: Final = "perdure.ai.openai_agents does not make {} durable"


class DurableRunner:
    """Runs agents as `agents.Runner` does; in a handler so that what they did is kept."""

    @classmethod
    async def run(
        cls,
        starting_agent: Agent[Any],
        input: Any,  # noqa: A002 - the name is theirs
        *,
        run_config: RunConfig | None = None,
        retry: Retry | None = None,
        tool_retry: Retry | None = None,
        **options: Any,
    ) -> RunResult:
        """See `agents.Runner.run`. `retry` is for the answers of models, `tool_retry` for calls of
        tools. In a handler traces are off, because every attempt would make them again."""
        ctx = current.get()
        config = run_config or RunConfig()
        if ctx is None:
            return await agents.Runner.run(starting_agent, input, run_config=config, **options)
        if options.get("session") is not None:
            raise Misuse(_UNFIT.format("sessions") + ": keep result.to_input_list() as state")
        making = _Making(ctx, retry, tool_retry)
        model = config.model
        durable = dataclasses.replace(
            config,
            model=making.model(model) if isinstance(model, Model) else model,
            model_provider=_Provider(config.model_provider, making),
            tracing_disabled=True,
        )
        agent = making.agent(starting_agent)
        return await agents.Runner.run(agent, input, run_config=durable, **options)


def in_handler(tool: FunctionTool) -> FunctionTool:
    """Have a tool run in the handler and not as a step: it may use the handler's context, call
    other handlers or wait for somebody, and what it does by itself must come out the same again."""
    setattr(tool, _IN_HANDLER, True)
    return tool


class _Making:
    """Durable twins of agents, each made once for a run."""

    def __init__(self, ctx: Context, retry: Retry | None, tool_retry: Retry | None) -> None:
        self._ctx = ctx
        self._retry = retry
        self._tool_retry = tool_retry
        self._made: dict[int, Agent[Any]] = {}

    def agent(self, agent: Agent[Any]) -> Agent[Any]:
        made = self._made.get(id(agent))
        if made is not None:
            return made
        if agent.mcp_servers:
            raise Misuse(_UNFIT.format("MCP servers") + ": call them in a function tool")
        changes: dict[str, Any] = {"tools": [self._tool(tool) for tool in agent.tools]}
        if isinstance(agent.model, Model):
            changes |= {"model": self.model(agent.model), "model_settings": agent.model_settings}
        made = self._made[id(agent)] = agent.clone(**changes)
        # After it is known: agents hand over to each other in circles.
        made.handoffs = [self._handoff(one) for one in agent.handoffs]
        return made

    def model(self, model: Model) -> Model:
        return model if isinstance(model, _Model) else _Model(model, self._ctx, self._retry)

    def _handoff(self, to: Agent[Any] | Handoff[Any, Any]) -> Any:
        if isinstance(to, Agent):
            return self.agent(to)
        chosen = to.on_invoke_handoff

        async def invoke(context: Any, arguments: str) -> Any:
            return self.agent(await chosen(context, arguments))

        return dataclasses.replace(to, on_invoke_handoff=invoke)

    def _tool(self, tool: Any) -> Any:
        if not isinstance(tool, FunctionTool) or getattr(tool, _IN_HANDLER, False):
            return tool
        work, ctx, retry = tool.on_invoke_tool, self._ctx, self._tool_retry

        async def invoke(context: Any, arguments: str) -> Any:
            async def call() -> Any:
                return await work(context, arguments)

            return await ctx.step(call, name=tool.name, retry=retry)

        return dataclasses.replace(tool, on_invoke_tool=invoke)


class _Provider(ModelProvider):
    def __init__(self, inner: ModelProvider, making: _Making) -> None:
        self._inner = inner
        self._making = making

    def get_model(self, model_name: str | None) -> Model:
        return self._making.model(self._inner.get_model(model_name))


class _Model(Model):
    """A model whose answers are steps."""

    def __init__(self, inner: Model, ctx: Context, retry: Retry | None) -> None:
        self._inner = inner
        self._ctx = ctx
        self._retry = retry

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        async def ask() -> bytes:
            try:
                answer = await self._inner.get_response(*args, **kwargs)
            except agents.UserError as error:
                raise Terminal(f"{type(error).__name__}: {error}") from error
            return _RESPONSE.dump_json(answer)

        return _RESPONSE.validate_json(await self._ctx.step(ask, name="model", retry=self._retry))

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise Misuse(_UNFIT.format("streams") + ": use run")

    def get_retry_advice(self, request: Any) -> Any:
        return self._inner.get_retry_advice(request)
