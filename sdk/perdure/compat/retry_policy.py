"""The retries of invocations, by the name of `restate.retry_policy`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from perdure.retry import Retry


@dataclass
class InvocationRetryPolicy:
    """How failed attempts of an invocation are retried; see `perdure.Retry`."""

    initial_interval: timedelta | None = None
    exponentiation_factor: float | None = None
    max_interval: timedelta | None = None
    max_attempts: int | None = None
    on_max_attempts: Literal["pause", "kill"] | None = None


def retry_of(policy: InvocationRetryPolicy | None) -> Retry | None:
    """Return a policy as ours."""
    if policy is None:
        return None
    return Retry(
        initial=policy.initial_interval,
        factor=policy.exponentiation_factor,
        max_interval=policy.max_interval,
        max_attempts=policy.max_attempts,
        on_exhausted=policy.on_max_attempts,
    )
