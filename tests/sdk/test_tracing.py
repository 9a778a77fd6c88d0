"""The context of a trace goes along with a client's calls, to the handler and on from there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import perdure
from perdure.testing import Env

trace = pytest.importorskip("opentelemetry.sdk.trace")
exporting = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

pytestmark = pytest.mark.anyio

service = perdure.Service("Traced")


@service.handler
async def seen(ctx: perdure.Context) -> list[str]:
    """What the caller sent, and what the attempt came with."""
    given = ctx.request.headers.get("traceparent", "")
    return [given, ctx.request.attempt_headers.get("traceparent", "")]


@service.handler
async def through(ctx: perdure.Context) -> list[str]:
    return await ctx.call(seen)


app = perdure.app(service)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exporter() -> Iterator[object]:
    """Where the spans of OpenTelemetry's own SDK end up; no provider is set for the process."""
    yield in_memory.InMemorySpanExporter()


def tracer_of(exporter: object) -> object:
    provider = trace.TracerProvider()
    provider.add_span_processor(exporting.SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def trace_id_of(traceparent: str) -> int:
    version, trace_id, _, _ = traceparent.split("-")
    assert version == "00"
    return int(trace_id, 16)


async def test_an_async_client_carries_it(exporter: object) -> None:
    tracer = tracer_of(exporter)
    async with Env(app) as env:
        with tracer.start_as_current_span("outer"):  # type: ignore[attr-defined]
            given, attempt = await env.client.call(seen)
            handle = await env.client.send(seen)
            sent, _ = await handle
            called, _ = await env.client.call(through)
        (span,) = exporter.get_finished_spans()  # type: ignore[attr-defined]
        for one in (given, attempt, sent):
            assert trace_id_of(one) == span.context.trace_id
        assert int(given.split("-")[2], 16) == span.context.span_id
        assert called == ""  # a handler's call has the headers that it gives
        assert await env.client.call(seen) == ["", ""]


def test_a_blocking_client_carries_it(exporter: object) -> None:
    tracer = tracer_of(exporter)
    with Env(app) as env, tracer.start_as_current_span("outer"):  # type: ignore[attr-defined]
        given, _ = env.client.call(seen)
    (span,) = exporter.get_finished_spans()  # type: ignore[attr-defined]
    assert trace_id_of(given) == span.context.trace_id


def test_a_program_that_does_not_trace_does_not_load_it() -> None:
    code = (
        "import sys, perdure; from perdure.client.request import carry_trace; headers = {};"
        "carry_trace(headers); assert not headers;"
        "assert not [one for one in sys.modules if one.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
