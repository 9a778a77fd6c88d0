"""The context of a trace goes along with a client's calls, to the handler and on from there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

import perdure
from perdure.runtime.tracing import start_span
from perdure.testing import Env

api = pytest.importorskip("opentelemetry.trace")
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


@service.handler
async def works(ctx: perdure.Context, fail: bool) -> str:
    tracer = api.get_tracer("user")
    with tracer.start_as_current_span("in the handler"):
        await ctx.step(traced_step)
    await ctx.sleep(timedelta(hours=1))
    if fail:
        raise perdure.Terminal("no luck", 418)
    return "done"


def traced_step() -> None:
    with api.get_tracer("user").start_as_current_span("in the step"):
        pass


@pytest.mark.parametrize("fail", [False, True])
async def test_each_attempt_is_a_span(
    exporter: object, monkeypatch: pytest.MonkeyPatch, fail: bool
) -> None:
    provider = trace.TracerProvider()
    provider.add_span_processor(exporting.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(api, "_TRACER_PROVIDER", provider)
    async with Env(app, always_replay=True) as env:
        with provider.get_tracer("test").start_as_current_span("caller") as caller:
            handle = await env.client.send(works, fail)
        await env.skip(timedelta(hours=2))
        assert await handle.status() == ("failed" if fail else "succeeded")
    spans = exporter.get_finished_spans()  # type: ignore[attr-defined]
    attempts = [one for one in spans if one.name == "attempt Traced/works"]
    assert len(attempts) >= 2
    outcomes = [one.attributes["perdure.attempt.outcome"] for one in attempts]
    assert outcomes == ["suspended"] * (len(attempts) - 1) + ["ended"]
    assert [one.status.is_ok for one in attempts] == [True] * (len(attempts) - 1) + [not fail]
    for one in attempts:
        assert one.context.trace_id == caller.get_span_context().trace_id
        assert one.attributes["perdure.invocation.id"] == handle.id
    (step,) = (one for one in spans if one.name == "in the step")  # it is executed once
    inside = {one.context.span_id: one for one in spans if one.name == "in the handler"}
    above = inside[step.parent.span_id]
    assert above.parent.span_id in {one.context.span_id for one in attempts}


async def test_without_a_provider_there_are_no_spans() -> None:
    assert start_span(works, None, {}) is None  # type: ignore[arg-type]
