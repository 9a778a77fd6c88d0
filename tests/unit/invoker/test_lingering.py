"""Streams of attempts that were given up: left for a while, and not too many of them."""

from unittest.mock import Mock

from orchestrator.exchanges.exchange import IGNORE, Exchange
from orchestrator.invoker.lingering import LEFT_MAX, LEFT_MS_MIN, Lingering
from orchestrator.runtime.clock import Clock, SystemClock


class Carrier:
    """A connection that does nothing."""

    def nothing(self, *of: object) -> int:
        return 0

    send = end = cancel = drain = retire = queued_bytes = want_room = hold_back = nothing


def left(lingering: Lingering, number: int, abort_ms: int) -> Exchange:
    exchange = Exchange([], [], False, IGNORE)
    exchange.carrier = Carrier()  # type: ignore[assignment]
    lingering.add(b"%d" % number, exchange, abort_ms)
    return exchange


def test_a_stream_is_left_for_its_abort_timeout_or_a_while() -> None:
    clock = Mock(spec=Clock)
    clock.monotonic_ms.return_value = 5_000
    lingering = Lingering(clock)
    for abort_ms, left_ms in ((1, LEFT_MS_MIN), (600_000, 600_000)):
        exchange = left(lingering, abort_ms, abort_ms)
        assert exchange.deadline_s == (5_000 + left_ms) / 1000
        assert exchange.ended and not exchange.closed


def test_the_next_attempt_resets_what_the_last_one_left() -> None:
    lingering = Lingering(SystemClock())
    exchange = left(lingering, 1, 1)
    lingering.reset(b"2")
    assert not exchange.closed
    lingering.reset(b"1")
    assert exchange.closed


def test_of_very_many_the_oldest_are_reset() -> None:
    lingering = Lingering(SystemClock())
    exchanges = [left(lingering, number, 1) for number in range(3 * LEFT_MAX)]
    assert sum(not exchange.closed for exchange in exchanges) == LEFT_MAX
    assert not any(exchange.closed for exchange in exchanges[-LEFT_MAX:])


def test_of_very_many_those_that_have_ended_count_no_more() -> None:
    lingering = Lingering(SystemClock())
    first = left(lingering, 0, 1)
    for number in range(1, 3 * LEFT_MAX):
        left(lingering, number, 1).closed = True
    assert not first.closed
