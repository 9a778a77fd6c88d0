"""What the reports of a producer make of an append: told once, and never with a guessed offset."""

from typing import Any, cast

from confluent_kafka import Message

from orchestrator.log.kafka.producer import Pending


class Report:
    """The part of a delivered message that counts."""

    def __init__(self, offset: int | None) -> None:
        self._offset = offset

    def offset(self) -> int | None:
        return self._offset


def pending(count: int) -> tuple[Pending, list[int], list[str]]:
    settled: list[int] = []
    failed: list[str] = []
    made = Pending(3, [b"m"] * count, cast(Any, None), 0, settled.append, failed.append)
    return made, settled, failed


def told(append: Pending, *offsets: int | None) -> None:
    for offset in offsets:
        append.delivered(None, cast(Message, Report(offset)))


def test_an_append_is_settled_once_all_its_messages_are_delivered() -> None:
    append, settled, failed = pending(3)
    told(append, 7, 8)
    assert settled == []
    told(append, 9)
    assert (append.first, settled, failed) == (7, [3], [])


def test_a_duplicate_whose_offset_the_broker_does_not_know_is_of_unknown_fate() -> None:
    for offsets in ((None,), (7, None)):
        append, settled, failed = pending(len(offsets))
        told(append, *offsets)
        assert settled == [] and len(failed) == 1


def test_a_message_of_another_between_those_of_an_append_makes_its_fate_unknown() -> None:
    append, settled, failed = pending(2)
    told(append, 7, 9)
    assert settled == [] and len(failed) == 1
