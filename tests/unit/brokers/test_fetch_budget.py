"""What consumers of a node may hold together."""

from orchestrator.brokers.kafka.configs import ReaderOptions, places_config
from orchestrator.brokers.kafka.fetch_budget import BYTES_MAX, SHARE_BYTES_MIN, FetchBudget


def test_many_consumers_hold_hardly_more_than_one() -> None:
    budget = FetchBudget()
    shares = [budget.take() for _ in range(50)]
    assert shares[0] == BYTES_MAX // 2 and shares == sorted(shares, reverse=True)
    assert budget.taken_bytes == sum(shares) <= BYTES_MAX + 50 * SHARE_BYTES_MIN
    more = FetchBudget()
    twice = sum(more.take() for _ in range(100))
    assert twice < 1.4 * sum(shares)
    for share in shares:
        budget.give_back(share)
    assert budget.taken_bytes == 0 and budget.take() == shares[0]


def test_a_consumer_is_told_its_share() -> None:
    told = places_config(ReaderOptions(dict, "group"), 1 << 20)
    queued_bytes = int(told["queued.max.messages.kbytes"]) << 10
    assert queued_bytes + int(told["fetch.max.bytes"]) == 1 << 20
    assert int(told["message.max.bytes"]) <= int(told["fetch.max.bytes"])
