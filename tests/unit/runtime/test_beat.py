"""What looks once a second looks at the same moments, whenever it began."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runtime.beat import until_beat_s


@given(st.floats(0, 1e6), st.sampled_from([0.5, 1.0, 3.0]))
def test_it_ends_on_a_beat(now_s: float, period_s: float) -> None:
    wait_s = until_beat_s(now_s, period_s)
    assert period_s / 2 <= wait_s <= 1.5 * period_s
    off_s = (now_s + wait_s) % period_s
    assert min(off_s, period_s - off_s) < 1e-6


def test_those_that_begin_at_different_moments_meet() -> None:
    assert len({now_s + until_beat_s(now_s, 1.0) for now_s in (7.0, 7.125, 7.25, 7.5)}) == 1
