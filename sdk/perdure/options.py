"""What may be set for a service, and again for one of its handlers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from perdure.retry import Retry


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What is None is left to the service, and there to the server.

    The server ends an attempt that is silent for `inactivity_timeout` by asking it to suspend,
    and after `abort_timeout` more by cutting it off. Retentions say how long the journal, the
    result of a call with an idempotency key, and a workflow's state are kept when all is over.
    """

    retry: Retry | None = None
    inactivity_timeout: timedelta | None = None
    abort_timeout: timedelta | None = None
    journal_retention: timedelta | None = None
    idempotency_retention: timedelta | None = None
    workflow_retention: timedelta | None = None
    private: bool | None = None
    lazy_state: bool | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None


NO_OPTIONS = HandlerOptions()
