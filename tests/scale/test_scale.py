"""The small form of `make scale`: a fiftieth of each, at a quarter of that and at that."""

import pytest

from tests.scale.scenarios import SCENARIOS
from tests.scale.table import SILENCE_S_MAX, ratio

SHARE = 0.02
COST_RATIO_MAX = 2.5  # what grows with the square shows 4; small runs on a busy machine vary


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_cost_is_linear_and_the_loop_is_never_silent(name: str) -> None:
    run, full = SCENARIOS[name]
    count = max(400, int(full * SHARE))
    small, large = run(count // 4), run(count)
    assert ratio(small, large) < COST_RATIO_MAX
    assert large.busy_s < SILENCE_S_MAX
