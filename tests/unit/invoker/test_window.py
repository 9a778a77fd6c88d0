"""The window of openings: as many as keep a service busy, more where answers are just late."""

from collections import deque

from orchestrator.invoker.window import LARGE, MANY_OPEN, SMALL, OpeningWindow

MANY = MANY_OPEN + 1


def drive(window: OpeningWindow, count: int, each_ms: float, way_ms: float) -> None:
    """A service that works through its requests in order, at the end of a way: always more."""
    now_ms = free_ms = 0.0
    open_since: deque[tuple[float, float]] = deque()
    for _ in range(count):
        while not window.is_full(MANY):
            window.count += 1
            free_ms = max(free_ms, now_ms + way_ms / 2) + each_ms
            open_since.append((now_ms, free_ms + way_ms / 2))
        begun_ms, now_ms = open_since.popleft()
        window.answered(round(now_ms - begun_ms))


def test_a_busy_service_next_door_has_a_short_queue() -> None:
    window = OpeningWindow()
    window.count = 1
    window.answered(1)  # as fast as it answers when it has nothing else to do
    drive(window, 500, each_ms=0.3, way_ms=0.2)
    assert SMALL <= window.size <= 2 * SMALL


def test_a_service_far_away_is_kept_busy() -> None:
    window = OpeningWindow()
    window.count = 1
    window.answered(51)
    drive(window, 5_000, each_ms=0.3, way_ms=50)
    assert window.size >= 0.6 * 50 / 0.3  # requests come in bursts, which queue


def test_few_open_streams_need_no_short_queue() -> None:
    window = OpeningWindow()
    window.size = SMALL
    window.count = SMALL
    assert window.is_full(MANY) and not window.is_full(0)
    window.count = LARGE
    assert window.is_full(0)


def test_answers_that_are_late_do_not_keep_a_service_from_more() -> None:
    window = OpeningWindow()
    for _ in range(10):  # each time, all that were sent are given up as unanswered
        window.count = window.size
        for _ in range(window.size):
            window.late()
    assert window.count == 0
    assert window.size > 4_000


def test_one_that_ends_unanswered_makes_room() -> None:
    window = OpeningWindow()
    window.count = LARGE
    window.left()
    assert not window.is_full(0)
