"""What follows a failed attempt: the next one after a pause, or the end of trying. Pure."""

from typing import Final

import msgspec

from orchestrator.model.values import THEN_RETRY
from orchestrator.registry.schema import RetryPolicy

JITTER: Final = 0.3  # up to this share is added, so that attempts that failed together are spread
DELAY_MS_MIN: Final = 50  # of a delay the service asks for: one that asks for 0 makes no busy loop
INTERVAL_MS_MIN: Final = 10  # of a policy: intervals of 0, or a factor that shrinks them to 0
DELAY_MS_MAX: Final = 10 * 365 * 24 * 3_600_000  # ten years: a longer delay is a mistake


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What to do; `retry_count` is the new count of the policy."""

    then: int
    retry_count: int
    delay_ms: int = 0


def after_failure(
    policy: RetryPolicy, retry_count: int, asked_delay_ms: int | None, jitter: float
) -> Verdict:
    """What follows a failure after `retry_count` retries; `jitter` is uniform in [0, 1).

    A delay that the service asked for is kept within DELAY_MS_MIN and DELAY_MS_MAX, and uses up
    nothing of the policy.
    """
    if asked_delay_ms is not None:
        delay_ms = min(max(asked_delay_ms, DELAY_MS_MIN), DELAY_MS_MAX)
        return Verdict(THEN_RETRY, retry_count, delay_ms)
    if policy.max_attempts is not None and retry_count + 1 >= policy.max_attempts:
        return Verdict(policy.on_max_attempts, retry_count + 1)
    interval = max(interval_ms(policy, retry_count), INTERVAL_MS_MIN) * (1 + JITTER * jitter)
    return Verdict(THEN_RETRY, retry_count + 1, min(int(interval), DELAY_MS_MAX))


def interval_ms(policy: RetryPolicy, retry_count: int) -> float:
    """The pause before the next attempt, without jitter."""
    try:
        interval = policy.initial_interval_ms * policy.factor**retry_count
    except OverflowError:
        return policy.max_interval_ms
    return min(interval, policy.max_interval_ms)
