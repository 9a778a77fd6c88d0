"""The retry policy: intervals, jitter, exhaustion, what a service asks for."""

import pytest

from orchestrator.invoker.retry import (
    DELAY_MS_MAX,
    DELAY_MS_MIN,
    INTERVAL_MS_MIN,
    after_failure,
    interval_ms,
)
from orchestrator.invoker.retry_after import RETRY_AFTER_MS_MAX, parse_retry_after
from orchestrator.model.values import THEN_KILL, THEN_PAUSE, THEN_RETRY
from orchestrator.registry.schema import RetryPolicy

DEFAULT = RetryPolicy()


def test_intervals_grow_up_to_the_largest() -> None:
    assert [interval_ms(DEFAULT, n) for n in (0, 1, 2, 6, 7, 69)] == [
        500,
        1000,
        2000,
        32_000,
        60_000,
        60_000,
    ]


def test_an_interval_after_very_many_retries_is_the_largest() -> None:
    assert interval_ms(RetryPolicy(max_attempts=None), 100_000) == 60_000


def test_a_factor_below_one_shrinks() -> None:
    assert interval_ms(RetryPolicy(factor=0.5), 3) == 62.5


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_jitter_adds_up_to_thirty_percent(jitter: float) -> None:
    verdict = after_failure(DEFAULT, 0, None, jitter)
    assert verdict.then == THEN_RETRY
    assert verdict.retry_count == 1
    assert verdict.delay_ms == int(500 * (1 + 0.3 * jitter))
    assert 500 <= verdict.delay_ms < 650


def test_the_first_attempt_counts() -> None:
    policy = RetryPolicy(max_attempts=3)
    assert [after_failure(policy, n, None, 0.0).then for n in (0, 1, 2, 3)] == [
        THEN_RETRY,
        THEN_RETRY,
        THEN_PAUSE,
        THEN_PAUSE,
    ]


def test_seventy_attempts_by_default() -> None:
    assert after_failure(DEFAULT, 68, None, 0.0).then == THEN_RETRY
    assert after_failure(DEFAULT, 69, None, 0.0).then == THEN_PAUSE


def test_exhaustion_may_kill() -> None:
    policy = RetryPolicy(max_attempts=1, on_max_attempts=THEN_KILL)
    assert after_failure(policy, 0, None, 0.0).then == THEN_KILL


def test_without_a_limit_it_goes_on_for_ever() -> None:
    assert after_failure(RetryPolicy(max_attempts=None), 10**6, None, 0.0).then == THEN_RETRY


def test_a_delay_asked_for_comes_as_it_is_and_uses_nothing_up() -> None:
    verdict = after_failure(RetryPolicy(max_attempts=1), 7, 123, 0.9)
    assert (verdict.then, verdict.retry_count, verdict.delay_ms) == (THEN_RETRY, 7, 123)


def test_no_delay_is_a_busy_loop() -> None:
    assert after_failure(DEFAULT, 0, 0, 0.0).delay_ms == DELAY_MS_MIN
    for policy in (RetryPolicy(initial_interval_ms=0), RetryPolicy(factor=0.1)):
        assert after_failure(policy, 60, None, 0.0).delay_ms == INTERVAL_MS_MIN


def test_an_absurd_delay_is_cut() -> None:
    assert after_failure(DEFAULT, 0, 2**64 - 1, 0.0).delay_ms == DELAY_MS_MAX


@pytest.mark.parametrize(
    ("text", "delay_ms"),
    [
        ("0", 0),
        ("120", 120_000),
        (" 7 ", 7_000),
        ("9" * 40, RETRY_AFTER_MS_MAX),
        ("315360000", RETRY_AFTER_MS_MAX),  # ten years
        ("Thu, 01 Jan 2026 00:00:30 GMT", RETRY_AFTER_MS_MAX),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20_000),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:30 -0000", 20_000),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, delay_ms: int | None) -> None:
    assert parse_retry_after(text, 10_000) == delay_ms
