"""The object that interprets commands: one of several futures awaited, in every way there is."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import msgspec

import perdure

commands = perdure.Object("VirtualObjectCommandInterpreter")


class Command(msgspec.Struct, tag_field="type"):
    """A command by its `type`."""


class CreateAwakeable(Command, tag="createAwakeable"):
    awakeableKey: str

    def begin(self, ctx: perdure.ObjectContext) -> perdure.Future[str]:
        awakeable = ctx.awakeable(str)
        ctx.set(f"awk-{self.awakeableKey}", awakeable.id)
        return awakeable


class Sleep(Command, tag="sleep"):
    timeoutMillis: int

    def begin(self, ctx: perdure.ObjectContext) -> perdure.Future[str]:
        return ctx.sleep(timedelta(milliseconds=self.timeoutMillis)).map(lambda _: "sleep")


class StepThrows(Command, tag="runThrowTerminalException"):
    reason: str

    def begin(self, ctx: perdure.ObjectContext) -> perdure.Future[str]:
        def fail() -> str:
            raise perdure.Terminal(self.reason)

        return ctx.step(fail, name="run should fail command")


class CreateSignal(Command, tag="createSignal"):
    signalName: str

    def begin(self, ctx: perdure.ObjectContext) -> perdure.Future[str]:
        return ctx.signal(self.signalName, str)


class StepReturns(Command, tag="runReturns"):
    value: str

    def begin(self, ctx: perdure.ObjectContext) -> perdure.Future[str]:
        async def give() -> str:
            await asyncio.sleep(0)  # it has to wait, as steps do
            return self.value

        return ctx.step(give, name="runReturns")


Awaitable = CreateAwakeable | Sleep | StepThrows | CreateSignal | StepReturns


class AwaitOne(Command, tag="awaitOne"):
    command: Awaitable

    async def run(self, ctx: perdure.ObjectContext) -> str:
        return await self.command.begin(ctx)


class Several(Command):
    commands: list[Awaitable]

    def begin(self, ctx: perdure.ObjectContext) -> list[perdure.Future[str]]:
        return [one.begin(ctx) for one in self.commands]


class AwaitAny(Several, tag="awaitAny"):
    async def run(self, ctx: perdure.ObjectContext) -> str:
        return await ctx.race(*self.begin(ctx))


class AwaitFirstCompleted(AwaitAny, tag="awaitFirstCompleted"):
    """The same by another name."""


class AwaitFirstSucceeded(Several, tag="awaitFirstSucceededOrAllFailed"):
    async def run(self, ctx: perdure.ObjectContext) -> str:
        return await ctx.any(*self.begin(ctx))


class AwaitAnySuccessful(AwaitFirstSucceeded, tag="awaitAnySuccessful"):
    """The same by another name."""


class AwaitAllSucceeded(Several, tag="awaitAllSucceededOrFirstFailed"):
    async def run(self, ctx: perdure.ObjectContext) -> str:
        return "|".join(await ctx.gather(*self.begin(ctx)))


class AwaitAllCompleted(Several, tag="awaitAllCompleted"):
    async def run(self, ctx: perdure.ObjectContext) -> str:
        settled = await ctx.all_settled(*self.begin(ctx))
        return "|".join(f"ok:{one.value}" if one.ok else f"err:{one.error}" for one in settled)


class AwaitAwakeableOrTimeout(Command, tag="awaitAwakeableOrTimeout"):
    awakeableKey: str
    timeoutMillis: int

    async def run(self, ctx: perdure.ObjectContext) -> str:
        future = CreateAwakeable(self.awakeableKey).begin(ctx)
        try:
            return await future.timeout(timedelta(milliseconds=self.timeoutMillis))
        except perdure.DurableTimeout:
            raise perdure.Terminal("await-timeout") from None


class ResolveAwakeable(Command, tag="resolveAwakeable"):
    awakeableKey: str
    value: str

    async def run(self, ctx: perdure.ObjectSharedContext) -> str:
        ctx.resolve_awakeable(await registered(ctx, self.awakeableKey), self.value)
        return ""


class RejectAwakeable(Command, tag="rejectAwakeable"):
    awakeableKey: str
    reason: str

    async def run(self, ctx: perdure.ObjectSharedContext) -> str:
        ctx.reject_awakeable(await registered(ctx, self.awakeableKey), self.reason)
        return ""


class GetEnvVariable(Command, tag="getEnvVariable"):
    envName: str

    async def run(self, ctx: perdure.ObjectContext) -> str:
        return await ctx.step(os.environ.get, self.envName, "", name="get_env")


class Order(msgspec.Struct):
    commands: list[
        AwaitOne
        | AwaitAny
        | AwaitFirstCompleted
        | AwaitFirstSucceeded
        | AwaitAnySuccessful
        | AwaitAllSucceeded
        | AwaitAllCompleted
        | AwaitAwakeableOrTimeout
        | ResolveAwakeable
        | RejectAwakeable
        | GetEnvVariable
    ]


async def registered(ctx: perdure.ObjectSharedContext, key: str) -> str:
    found = await ctx.get(f"awk-{key}", str)
    if not found:
        raise perdure.Terminal("No awakeable is registered")
    return found


@commands.handler(name="interpretCommands")
async def interpret_commands(ctx: perdure.ObjectContext, order: Order) -> str:
    result = ""
    for command in order.commands:
        result = await command.run(ctx)
        ctx.set("results", [*await ctx.get("results", list[str], []), result])
    return result


@commands.shared(name="getResults")
async def get_results(ctx: perdure.ObjectSharedContext) -> list[str]:
    return await ctx.get("results", list[str], [])


@commands.shared(name="hasAwakeable")
async def has_awakeable(ctx: perdure.ObjectSharedContext, key: str) -> bool:
    return await ctx.get(f"awk-{key}", str) is not None


class ToResolve(msgspec.Struct):
    awakeableKey: str
    value: str = ""
    reason: str = ""


@commands.shared(name="resolveAwakeable")
async def resolve_awakeable(ctx: perdure.ObjectSharedContext, order: ToResolve) -> None:
    await ResolveAwakeable(order.awakeableKey, order.value).run(ctx)


@commands.shared(name="rejectAwakeable")
async def reject_awakeable(ctx: perdure.ObjectSharedContext, order: ToResolve) -> None:
    await RejectAwakeable(order.awakeableKey, order.reason).run(ctx)
