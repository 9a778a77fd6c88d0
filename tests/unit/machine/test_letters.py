"""Dead letters: kept and counted, published, done again, dropped, and forgotten in slices."""

import pytest
from msgspec.structs import replace

from orchestrator.machine import apply_letters, feeds, sends
from orchestrator.machine import letters as machine_letters
from orchestrator.machine.letters import letter_bytes
from orchestrator.model.answers import Answer
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.topic_records import (
    DeadLetter,
    DropDeadLetter,
    OutboxRefused,
    Produced,
    PurgeDeadLetters,
    RedriveDeadLetter,
)
from orchestrator.model.topics import NO_TOPIC, FeedTopic, ProduceRequest, Source
from tests.unit.machine.bench import Bench, uid
from tests.unit.machine.topic_records import (
    RAW,
    intake,
    letters,
    opened,
    produced,
    request,
    send,
    source_at,
    taken,
    unusable,
)

SOURCE = source_at(0, 1)
A, B = uid(1), uid(2)


def with_letters(count: int, publish: bool = False, source: Source = SOURCE) -> Bench:
    bench = Bench()
    if publish:
        bench.state.partition_row.letter_feeds["log"] = FeedTopic("log", "perdure.dlq")
    bench.do(opened(bench, source))
    for offset in range(count):
        bench.do(intake(bench, source, offset, unusable(bench, source, offset, b"%d" % offset)))
        bench.now_ms += 10
    return bench


def counted(bench: Bench) -> dict[str, int]:
    """What the rows say."""
    found: dict[str, int] = {}
    for _, row in letters(bench):
        whose = "" if row.letter.origin is None else row.letter.origin.source.subscription
        found[whose] = found.get(whose, 0) + letter_bytes(row.letter)
    return found


def test_they_are_counted_in_bytes_by_subscription() -> None:
    bench = with_letters(3)
    bad = ProduceRequest("", "", None, None, (), None, False, "no topic")
    send(bench, A, bad)
    assert bench.state.partition_row.letter_bytes == counted(bench)
    assert sorted(counted(bench)) == ["", "sub_1"]
    for key, _ in letters(bench):
        bench.do(DropDeadLetter(key, bench.now_ms))
    assert bench.state.partition_row.letter_bytes == {} and not letters(bench)


def test_one_is_done_again_once() -> None:
    bench = with_letters(1)
    ((key, _),) = letters(bench)
    again = RedriveDeadLetter(key, bench.now_ms, taken(bench, SOURCE, 0, "k", id=A))
    assert [bench.do(again), bench.do(again)] == [Answer.DONE, Answer.NOT_FOUND]
    assert bench.live(A) and not letters(bench)
    assert bench.do(DropDeadLetter(key, bench.now_ms)) is Answer.NOT_FOUND


def test_one_that_belongs_to_another_partition_goes_there() -> None:
    bench = Bench(0, 2)
    source = source_at(0, 2)
    bench.do(opened(bench, source))
    bench.do(intake(bench, source, 0, unusable(bench, source, 0)))
    ((key, _),) = letters(bench)
    there = taken(bench, source, 0, id=b"\xff" * 24)
    bench.do(RedriveDeadLetter(key, bench.now_ms, there))
    assert [row.item for _, row in bench.state.outbox.scan()] == [there]


def test_old_ones_go_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_letters, "PURGE_STEP_COUNT", 4)
    bench = with_letters(10)
    start_ms = bench.now_ms - 100
    answers = [
        bench.do(PurgeDeadLetters(bench.epoch, bench.now_ms, start_ms + 65)) for _ in range(3)
    ]
    assert answers == [Answer.ACCEPTED, Answer.DONE, Answer.DONE]
    assert [row.letter.value for _, row in letters(bench)] == [b"7", b"8", b"9"]
    assert bench.state.partition_row.letter_bytes == counted(bench)
    assert bench.do(PurgeDeadLetters(9, 0, 1 << 60)) is Answer.DROPPED


def test_large_ones_go_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_letters, "CHORE_STEP_BYTES", 1_000)
    bench = with_letters(0)
    for offset in range(3):
        large = replace(unusable(bench, SOURCE, offset), value=b"x" * 900)
        bench.do(intake(bench, SOURCE, offset, large))
    purge = PurgeDeadLetters(bench.epoch, bench.now_ms, bench.now_ms + 1)
    left = [(bench.do(purge), len(letters(bench))) for _ in range(4)]
    assert left == [(Answer.ACCEPTED, n) for n in (2, 1, 0)] + [(Answer.DONE, 0)]


# --- the public topic ---


def test_one_is_published_with_what_is_wrong() -> None:
    bench = with_letters(1, publish=True)
    ((topic, item),) = produced(bench)
    assert (topic, item.value, item.headers[: len(RAW)]) == ("perdure.dlq", b"0", RAW)
    assert dict(item.headers[len(RAW) :]) == {
        "perdure-dlq-reason": b"no_key",
        "perdure-dlq-message": b"no key",
        "perdure-dlq-source": b"orders/%d/0" % SOURCE.partition,
        "perdure-dlq-subscription": b"sub_1",
        "perdure-dlq-attempts": b"0",
    }


def test_of_a_send_the_record_that_was_to_be_sent_is_published() -> None:
    bench = with_letters(0, publish=True)
    send(bench, A, request(False))
    refused = OutboxRefused(bench.epoch, bench.now_ms, MINTED_FIRST, 1, NO_TOPIC, "gone")
    bench.do(refused)
    ((topic, item),) = produced(bench)
    assert (topic, item.key, item.value) == ("perdure.dlq", b"k", b"paid")
    names = [name for name, _ in item.headers[len(RAW) :]]
    assert "perdure-dlq-source" not in names and "perdure-dlq-invocation-id" in names


def test_one_that_cannot_be_published_says_so_and_makes_no_other() -> None:
    bench = with_letters(2, publish=True)
    ((first, _), _) = letters(bench)
    lane = MINTED_FIRST
    assert bench.do(OutboxRefused(bench.epoch, 0, lane, 1, NO_TOPIC, "no dlq")) is Answer.DONE
    assert [row.publish_error for _, row in letters(bench)] == ["no dlq", ""]
    ((_, item),) = produced(bench)
    assert item.value == b"1"
    (_, (second, _)) = letters(bench)
    bench.do(DropDeadLetter(second, bench.now_ms))
    bench.do(OutboxRefused(bench.epoch, 0, lane, 2, NO_TOPIC, "no dlq"))
    assert [key for key, _ in letters(bench)] == [first]


def test_one_that_comes_from_the_topic_of_dead_letters_is_not_published_there_again() -> None:
    """It would be read, be unusable and be published for ever."""
    bench = with_letters(1, publish=True, source=source_at(0, 1, "perdure.dlq"))
    ((_, row),) = letters(bench)
    assert row.publish_error == machine_letters.FROM_THERE and not produced(bench)


def test_one_for_which_there_is_no_room_says_so_and_the_next_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "FEED_LANE_BYTES_MAX", 0)
    bench = with_letters(2, publish=True)
    assert [row.publish_error for _, row in letters(bench)] == ["", feeds.FULL]
    bench.do(Produced(bench.epoch, bench.now_ms, MINTED_FIRST, 1))
    bench.do(intake(bench, SOURCE, 2, unusable(bench, SOURCE, 2, b"2")))
    assert [row.publish_error for _, row in letters(bench)] == ["", feeds.FULL, ""]
    assert [item.value for _, item in produced(bench)] == [b"2"]


def test_one_of_a_record_too_large_is_kept_by_reference() -> None:
    bench = with_letters(0, publish=True)
    large: DeadLetter = replace(unusable(bench, SOURCE, 0), value=None, value_bytes=50_000_000)
    bench.do(intake(bench, SOURCE, 0, large))
    ((_, row),) = letters(bench)
    assert (row.letter.value, row.letter.value_bytes) == (None, 50_000_000)
    assert bench.state.partition_row.letter_bytes["sub_1"] < 1_000
    ((_, item),) = produced(bench)
    assert item.value is None


# --- bounds of those of sends ---


def test_bad_sends_are_kept_by_size_when_there_are_many_and_then_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (machine_letters, sends):
        monkeypatch.setattr(module, "LETTER_BYTES_MAX", 1_000)
    bench = Bench()
    bad = ProduceRequest("", "", None, None, (), None, False, "no topic")
    for number in range(40):
        send(bench, uid(number + 1), bad, body=b"x" * 300)
    kept = [row.letter for _, row in letters(bench)]
    sizes = [len(letter.value or b"") for letter in kept]
    assert sizes == sorted(sizes, reverse=True) and set(sizes) == {300, 0}
    assert {letter.value_bytes for letter in kept} == {300}
    assert 1_000 < bench.state.partition_row.letter_bytes[""] < 2_600 and len(kept) < 40


def test_one_that_cannot_be_sent_answers_its_caller_also_without_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_letters, "LETTER_BYTES_MAX", -1)
    bench = Bench()
    send(bench, A, request(True))
    bench.do(OutboxRefused(bench.epoch, bench.now_ms, MINTED_FIRST, 1, NO_TOPIC, "gone"))
    assert not letters(bench) and not bench.live(A)
