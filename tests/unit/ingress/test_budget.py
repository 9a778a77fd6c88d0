"""Budgets of bytes: who gives way, and that the account is right."""

import random

from orchestrator.ingress.budget import Budget, Share, Uploads, leave


def share_of(gone: list[str], name: str) -> Share:
    def give_way() -> None:
        gone.append(name)
        leave(share)

    share = Share(give_way)
    return share


def test_the_slowest_gives_way_and_of_equals_the_largest() -> None:
    gone: list[str] = []
    budget = Budget(100)
    stalled, large, small, fast = (share_of(gone, name) for name in ("st", "la", "sm", "fa"))
    budget.put(stalled, 20)
    stalled.moved_bytes = 20
    for _ in range(8):
        budget.sweep()
    for share, held_bytes in ((large, 50), (small, 10), (fast, 20)):
        share.moved_bytes = 10
        budget.put(share, held_bytes)
    assert not gone and budget.held_bytes == 100
    fast.moved_bytes = 100
    budget.put(fast, 30)
    assert gone == ["st"] and budget.held_bytes == 90
    budget.put(fast, 50)
    assert gone == ["st", "la"] and budget.held_bytes == 60


def test_whoever_asks_for_too_much_alone_gives_way_itself() -> None:
    gone: list[str] = []
    budget = Budget(100)
    only = share_of(gone, "only")
    budget.put(only, 101)
    assert gone == ["only"]
    assert (budget.held_bytes, len(budget), only.held_bytes) == (0, 0, 0)


def test_small_ones_are_never_kept_out_by_large_ones() -> None:
    gone: list[str] = []
    uploads = Uploads(10, 30, 100)
    large = share_of(gone, "large")
    uploads.put(large, 100)
    small = [share_of(gone, str(number)) for number in range(3)]
    for share in small:
        share.moved_bytes = 1
        uploads.put(share, 10)
    assert not gone and uploads.held_bytes == 130
    large.moved_bytes = 50
    uploads.put(small[0], 11)  # it has become a large one
    assert gone == ["0"] and uploads.small.held_bytes == 20
    uploads.put(large, 5)  # and small again
    assert uploads.small.held_bytes == 25 and uploads.large.held_bytes == 0


def test_the_account_is_the_sum_of_what_is_held() -> None:
    chance = random.Random(1)
    uploads = Uploads(10, 200, 1_000)
    gone: list[str] = []
    shares = [share_of(gone, str(number)) for number in range(50)]
    for _ in range(5_000):
        share = chance.choice(shares)
        share.moved_bytes += chance.randrange(5)
        uploads.put(share, chance.choice((0, 1, 10, 11, 60)))
        if chance.random() < 0.1:
            uploads.sweep()
        if chance.random() < 0.1:
            leave(chance.choice(shares))
        assert uploads.held_bytes == sum(share.held_bytes for share in shares)
        assert uploads.small.held_bytes <= 200 and uploads.large.held_bytes <= 1_000
    assert gone
