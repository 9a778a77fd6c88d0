"""What a handler was called with."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvocationRequest:
    """What the handler was called with."""

    id: str
    headers: Mapping[str, str]
    """Of the caller's request; names in lower case."""
    body: bytes
    attempt: int
    """How often this was tried before without a new entry in the journal."""
    attempt_headers: Mapping[str, str]
    """Of the request that carries this attempt, such as its trace context."""
    scope: str | None = None
    limit_key: str | None = None
    idempotency_key: str | None = None
