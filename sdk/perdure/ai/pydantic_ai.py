"""Agents of Pydantic AI, durable: `Agent(model, name="…", capabilities=[PerdureDurability()])`.

In a handler every answer of a model, and every call of a tool, is a step; elsewhere the agent is as
it was. Needs the extra `pydantic-ai`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypedDict

from pydantic.errors import PydanticUserError
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperationBackend,
    DurableOperationId,
    JournalCallableOperationBackend,
    RoleBasedOperationConfig,
    conversation_id_from_run_id,
)
from pydantic_ai.exceptions import UnexpectedModelBehavior, UserError
from pydantic_ai.models import Model
from pydantic_ai.tools import AgentDepsT

from perdure.context import Context, current
from perdure.errors import Cancelled, Terminal
from perdure.retry import Retry

# What a second try does not mend.
_FINAL: Final = (UserError, PydanticUserError, UnexpectedModelBehavior)


class StepConfig(TypedDict, total=False):
    """How a step is made: `retry` as for `ctx.step`."""

    retry: Retry | None


class PerdureDurability(BaseDurabilityCapability[AgentDepsT]):
    """Runs what an agent does outside of itself as steps of the handler that runs it.

    `retry` is for the answers of models, `tool_retry` for calls of tools; a tool of its own has
    `metadata={"perdure": {"retry": Retry(…)}}`, or `{"perdure": False}` to run in the handler,
    where it may use the handler's context. `models` names models that runs may choose beside the
    agent's own. A name is needed, the agent's or `name`: it is part of the names of the steps.
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="Perdure",
        durable_unit_noun="step",
        durable_container_noun="handler",
        codec=JSON_CODEC,
        serialization_failure=lambda error: Terminal(f"a result cannot be stored: {error}"),
        toolset_lifecycles={
            "function": "enter-always",
            "mcp": "enter-in-durable-unit",
            "dynamic": "enter-never",
        },
        tool_config_key="perdure",
        cancellation_error_types=(Cancelled,),
    )

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        tool_retry: Retry | None = None,
        models: Mapping[str, Model] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(models=models, name=name)
        self._model_config: StepConfig = {"retry": retry}
        self._tool_config: StepConfig = {"retry": tool_retry}

    @property
    def in_durable_context(self) -> bool:
        """Whether a handler runs the agent, and not a step of one."""
        return current.get() is not None

    def get_default_run_id(self) -> str | None:
        """An id that is the same in every attempt."""
        ctx = current.get()
        return None if ctx is None else str(ctx.uuid())

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """An id that follows from that of the run."""
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    async def get_run_start_time(self, run_id: str) -> datetime | None:
        """The time of the first attempt."""
        ctx = current.get()
        return None if ctx is None else await ctx.now()

    async def wrap_run(self, ctx: Any, *, handler: Any) -> Any:
        """Run the agent; what it waits for between tries is a durable timer."""
        durable = current.get()
        if durable is None:
            return await super().wrap_run(ctx, handler=handler)

        async def sleep(seconds: float) -> None:
            await durable.sleep(timedelta(seconds=seconds))

        with AbstractAgent.using_sleep(sleep):
            return await super().wrap_run(ctx, handler=handler)

    def get_durable_operation_backend(self) -> DurableOperationBackend[StepConfig]:
        """What runs the agent's operations as steps."""
        resolve = self._build_resolve_tool_config(self._tool_config)

        def of_tool(
            operation_id: DurableOperationId, tool: Any, tool_name: str
        ) -> StepConfig | Literal[False]:
            return resolve(tool, tool_name)

        config = RoleBasedOperationConfig[StepConfig](
            model=self._model_config,
            event=self._tool_config,
            capability=self._tool_config,
            tool=self._tool_config,
            resolve_tool=of_tool,
        )
        return _Steps(agent_name=self.name, default_model_id=self.default_model_id, config=config)


class _Steps(JournalCallableOperationBackend[StepConfig]):
    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: StepConfig,
    ) -> object:
        ctx = current.get()
        if ctx is None:  # a step of the agent calls another: it is part of that step
            return await body()
        return await _step(ctx, name, body, config.get("retry"))


async def _step(
    ctx: Context, name: str, body: Callable[[], Awaitable[object]], retry: Retry | None
) -> object:
    async def work() -> Any:
        try:
            return await body()
        except _FINAL as error:
            raise Terminal(f"{type(error).__name__}: {error}") from error

    return await ctx.step(work, name=name, retry=retry)
