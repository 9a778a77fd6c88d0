"""A span of OpenTelemetry for each attempt, where the program has set a tracer provider.

Its parent is the trace context that the attempt came with; what the handler and its steps trace
is below it. Nothing of OpenTelemetry is loaded that the program has not loaded itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from perdure.definitions import HandlerDefinition
    from perdure.replay import Machine


class AttemptSpan:
    """The span of one attempt; ended once, with what became of the attempt."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def failed(self, error: BaseException) -> None:
        """Take note of the error that ends the attempt, or the invocation."""
        from opentelemetry.trace import StatusCode

        self._span.record_exception(error)
        self._span.set_status(StatusCode.ERROR, str(error) or type(error).__name__)

    def end(self, outcome: str) -> None:
        """Tell how it ended."""
        self._span.set_attribute("perdure.attempt.outcome", outcome)
        self._span.end()


def start_span(
    handler: HandlerDefinition, machine: Machine, headers: Mapping[str, str]
) -> AttemptSpan | None:
    """Start the span of an attempt and make it the current one of the running context; None where
    nothing is traced."""
    tracer = _tracer()
    if tracer is None:
        return None
    from opentelemetry import context, propagate, trace

    start = machine.start
    attributes: dict[str, Any] = {
        "perdure.invocation.id": machine.invocation_id,
        "perdure.service": handler.service,
        "perdure.handler": handler.name,
        "perdure.attempt.retries": start.retry_count_since_last_stored_entry,
    }
    if start.key:
        attributes["perdure.key"] = start.key
    above = propagate.extract(headers)
    span = tracer.start_span(
        f"attempt {handler.service}/{handler.name}", above, trace.SpanKind.SERVER, attributes
    )
    context.attach(trace.set_span_in_context(span, above))
    return AttemptSpan(span)


def _tracer() -> Tracer | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return _tracer_of(provider)


@lru_cache(maxsize=1)
def _tracer_of(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("perdure")
