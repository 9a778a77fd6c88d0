"""One place that is read: what is told when it cannot be, and when that is over."""

from collections.abc import Callable

from orchestrator.brokers.kafka.reading import KafkaReading
from orchestrator.brokers.reader_port import ReadBatch, ReadPlace, ReadProblem, ReadTrouble

PLACE = ReadPlace("orders", bytes(16), 3)


class Host:
    """The consumer, in small; topics are verified when the test says so."""

    def __init__(self) -> None:
        self.asked: list[KafkaReading] = []
        self.later: list[KafkaReading] = []
        self.assigned_at: list[int] = []
        self.now_s = 100.0

    def time_s(self) -> float:
        return self.now_s

    def verify(self, reading: KafkaReading) -> None:
        self.asked.append(reading)

    def verify_later(self, reading: KafkaReading) -> None:
        self.later.append(reading)

    def assign(self, reading: KafkaReading) -> None:
        self.assigned_at.append(reading.position)

    def unassign(self, reading: KafkaReading) -> None: ...

    def leave(self, reading: KafkaReading) -> None: ...

    def soon(self, call: Callable[[], None]) -> None:
        call()


class Read:
    """A reading from offset 5 on, and what it told."""

    def __init__(self) -> None:
        self.host = Host()
        self.batches: list[ReadBatch] = []
        self.told: list[ReadProblem | None] = []
        self.it = KafkaReading(self.host, PLACE, 5, 1, self.batches.append, self.told.append)
        self.it.verified(self.host.now_s)
        assert self.host.assigned_at == [5]


def test_a_right_that_is_back_shows_by_the_end_of_a_quiet_place() -> None:
    read = Read()
    problem = ReadProblem(ReadTrouble.NO_RIGHT, "the user may not")
    read.it.refused(problem)
    assert read.told == [problem] and read.host.later == [read.it]
    read.it.verified(read.host.now_s)  # the topic may be asked for: may it be read?
    assert read.host.assigned_at == [5, 5] and read.told == [problem]
    read.it.refused(problem)
    assert read.told == [problem]  # once
    read.it.verified(read.host.now_s)
    read.it.ended(5, -1)
    assert read.told == [problem, None] and read.host.assigned_at == [5, 5, 5]
    read.it.ended(5, -1)
    assert read.told == [problem, None] and not read.batches


def test_brokers_that_answer_again_are_told_of() -> None:
    read = Read()
    problem = ReadProblem(ReadTrouble.NO_ANSWER, "no broker answers")
    read.it.doubt(problem)
    read.it.doubt(problem)
    assert read.told == [problem]
    read.it.verified(read.host.now_s)
    assert read.told == [problem, None] and read.host.assigned_at == [5]


def test_a_topic_that_was_not_gone_after_all_is_read_on() -> None:
    read = Read()
    gone = ReadProblem(ReadTrouble.TOPIC_GONE, "topic orders is gone")
    read.it.gone(gone)
    read.it.verified(read.host.now_s)
    assert read.told == [gone] and read.host.assigned_at == [5]  # stopped until it is moved
    read.it.seek(5, 1)
    read.it.verified(read.host.now_s)
    assert read.told == [gone, None] and read.host.assigned_at == [5, 5]


def test_a_position_that_is_not_in_the_topic_says_what_can_be_done() -> None:
    for low, high, said in (
        (8, 20, "orders/3 begins at 8 now: offset 5 is gone; resume --past-gap goes on at 8"),
        (0, 4, "orders/3 ends at 4 now: offset 5 is gone; seek says where it goes on"),
        (0, 9, "orders/3 has lost records below offset 5"),
    ):
        read = Read()
        read.it.out_of_range(low, high)
        (problem,) = read.told
        assert problem is not None and problem.message.startswith(said)
        assert (problem.trouble, problem.low, problem.high) == (
            ReadTrouble.OUT_OF_RANGE,
            low,
            high,
        )


def test_what_could_not_be_taken_is_told_each_time() -> None:
    read = Read()

    def refuse(batch: ReadBatch) -> None:
        raise ValueError("a fault")

    read.it._on_batch = refuse  # type: ignore[method-assign]
    for times in (1, 2):
        read.it.ended(5 + times, -1)
        told = [problem for problem in read.told if problem is not None]
        assert [problem.trouble for problem in told] == [ReadTrouble.NOT_TAKEN] * times
        problem = told[-1]
        assert "orders/3" in problem.message and "ValueError('a fault')" in problem.message
        read.it.verified(read.host.now_s)
        assert len(read.host.assigned_at) == times  # stopped until it is moved
        read.it.seek(5, 1)
        read.it.verified(read.host.now_s)
        assert len(read.host.assigned_at) == times + 1
