"""The Invoke record: everything an invocation needs, resolved by its proposer.

Kept in the log and in rows: never reuse a tag, never reorder a field.
"""

import msgspec

from orchestrator.model.topics import (
    ProduceRequest,
    RecordOrigin,
    origin_bytes,
    request_bytes,
)
from orchestrator.model.values import BY_INGRESS, Caller


class Prefix(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A journal an invocation starts with (restart-as-new), without its input."""

    frames: bytes
    entries: int
    commands: int
    completions: tuple[tuple[int, int], ...]  # (completion id, SUCCESS | FAILURE)
    signals: tuple[tuple[int, int], ...]  # (index, journal index << 2 | SUCCESS or FAILURE)
    names: tuple[tuple[str, int], ...]
    deployment: str
    protocol: int


class Invoke(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=1
):
    """Start an invocation. Carries no epoch: what the ingress accepted stays accepted.

    Times are Unix milliseconds. `key` is "" for plain services. `start_at_ms` 0 means now.
    `seed` 0 means derived from the id. `origin` is there for records of topics, `produce` for
    `Kafka/send`. `quiet`: no feed tells of it, nor of what it calls.
    """

    id: bytes
    service: str
    handler: str
    key: str
    kind: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    created_at_ms: int
    completion_retention_ms: int
    journal_retention_ms: int
    idempotency_key: str | None = None
    start_at_ms: int = 0
    caller: Caller | None = None
    by: int = BY_INGRESS
    by_id: bytes = b""
    by_target: str = ""
    trace: tuple[str, str] = ("", "")  # traceparent, tracestate
    seed: int = 0
    restarted_from: bytes = b""
    prefix: Prefix | None = None
    deployment: str = ""  # pinned from the start (restart-as-new on a given deployment)
    request: int = 0  # drawn for each request: tells those of one id apart; 0 from handlers
    origin: RecordOrigin | None = None
    produce: ProduceRequest | None = None
    quiet: bool = False

    @property
    def now_ms(self) -> int:
        """As with all records: the time that counts where it is applied."""
        return self.created_at_ms


def invoke_bytes(invoke: Invoke) -> int:
    """About the bytes of what may be large in it."""
    held = len(invoke.body)
    for name, value in invoke.headers:
        held += len(name) + len(value)
    if invoke.prefix is not None:
        held += len(invoke.prefix.frames)
    if invoke.origin is not None:
        held += origin_bytes(invoke.origin)
    if invoke.produce is not None:
        held += request_bytes(invoke.produce)
    return held
