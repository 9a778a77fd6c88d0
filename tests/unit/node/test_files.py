"""Shares of the open files a process may have."""

import pytest

from orchestrator.model.operating import OperatingError
from orchestrator.node.files import share_out


@pytest.mark.parametrize("partitions", [1, 4, 24, 128])
@pytest.mark.parametrize("limit", [300, 384, 1_024, 4_096, 10_000, 20_000, 65_536, 1 << 20])
def test_what_is_given_away_leaves_enough_for_the_log_and_the_stores(
    limit: int, partitions: int
) -> None:
    least = 128 + 32 * partitions
    if limit < least + 128:
        with pytest.raises(OperatingError) as refused:
            share_out(limit, partitions)
        assert refused.value.code == "PD0211" and str(limit) in refused.value.message
        return
    shares = share_out(limit, partitions)
    assert shares.connections >= 64 and shares.attempts >= 16
    left = limit - shares.connections - shares.refused - 2 * shares.attempts
    assert left >= least


def test_many_files_are_enough_for_all_at_once() -> None:
    assert share_out(1 << 20, 24) == (20_000, 256, 1_000)
