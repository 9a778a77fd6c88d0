"""Partitions with services attached, for tests over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.discovery import Discovery
from orchestrator.exchanges.signing import Signer
from orchestrator.invoker.options import InvokerOptions
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.manifest import decode_manifest
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from tests.parts.loops import closing_loop
from tests.unit.invoker import samples
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import Script, ScriptedService
from tests.unit.invoker.scripted_http1 import Answer, ScriptedHttp1

QUICK = Defaults(retry=RetryPolicy(initial_interval_ms=10, max_interval_ms=20, max_attempts=5))
TEST_S = 100


def run(test: Callable[[], Awaitable[None]], on_uvloop: bool = True) -> None:
    """Run a test on a loop of its own: uvloop's, as in production, or asyncio's."""

    async def limited() -> None:
        async with asyncio.timeout(TEST_S):
            await test()

    factory = uvloop.new_event_loop if on_uvloop else asyncio.new_event_loop
    runner = asyncio.Runner(loop_factory=factory)
    try:
        runner.run(limited())
    finally:
        with closing_loop():
            runner.close()


@asynccontextmanager
async def scripted(
    *scripts: Script,
    defaults: Defaults = QUICK,
    options: InvokerOptions | None = None,
    streams_max: int = 1000,
    manifest: dict[str, Any] | None = None,
) -> AsyncIterator[tuple[Partition, ScriptedService]]:
    """A scripted service over HTTP/2."""
    service = await ScriptedService(*scripts, streams_max=streams_max, manifest=manifest).start()
    partition = Partition(options, defaults)
    found = await Discovery(ServiceAsker(partition.clock, None, "")).discover(service.target)
    partition.register(service.target, found)
    try:
        yield partition, service
    finally:
        await partition.invoker.close()
        await service.stop()


@asynccontextmanager
async def scripted_http1(
    *answers: Answer, options: InvokerOptions | None = None
) -> AsyncIterator[tuple[Partition, ScriptedHttp1]]:
    """A scripted service over HTTP/1.1."""
    service = await ScriptedHttp1(*answers).start()
    partition = Partition(options, QUICK)
    found = Discovered(decode_manifest(samples.MANIFEST), "", "1.1")
    partition.register(DiscoveryTarget(service.uri, http1=True), found)
    try:
        yield partition, service
    finally:
        await partition.invoker.close()
        await service.stop()


@asynccontextmanager
async def real(
    uri: str,
    http1: bool = False,
    options: InvokerOptions | None = None,
    defaults: Defaults = QUICK,
    signer: Signer | None = None,
) -> AsyncIterator[Partition]:
    """A service that runs already."""
    partition = Partition(options, defaults, signer)
    target = DiscoveryTarget(uri + "/", http1)
    partition.register(
        target, await Discovery(ServiceAsker(partition.clock, signer, "")).discover(target)
    )
    try:
        yield partition
    finally:
        await partition.invoker.close()
        await asyncio.sleep(0.01)
