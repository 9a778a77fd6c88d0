"""The carrier of lanes to topics of one broker cluster: rows travel in Kafka transactions.

All lanes that have rows share a transaction; one that fails is tried alone, row by row, until it
is known whether its first row can ever be sent. What can't be sent now waits, and the other lanes
go on. After a transaction of unknown fate, or when another writer came between, a new writer is
opened, whose ledger says what was committed. So it is where the broker cluster is reached by other
options than before. Lanes to one that was deleted are closed.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Final, Protocol

from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    Problem,
    ProblemCode,
    TopicWriter,
    WriterReady,
)
from orchestrator.machine.letters import OF_SENDS
from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.topic_records import CloseLane, OutboxRefused, Produce, Produced
from orchestrator.model.topics import FEED_KINDS, LETTER
from orchestrator.outbox.given import Given, rows_of
from orchestrator.outbox.pace import CommitPace
from orchestrator.outbox.port import RETRY_FIRST_S, RETRY_MAX_S, Rows
from orchestrator.outbox.produced import CommittedRows
from orchestrator.runtime.backoff import backoff_s
from orchestrator.runtime.scheduler import Scheduler, Timer

ROWS_MAX: Final = 1_000  # of a lane in one transaction
LANES_MAX: Final = 100  # in one transaction
QUIET_S: Final = 60.0  # after which the writer is closed
FOREIGN_S: Final = 30.0  # before a ledger of another log is looked at again
DELETED_S: Final = 3.0  # without a broker cluster, before its lanes are closed: metadata may lag

_NEVER: Final = (ProblemCode.NO_RIGHT, ProblemCode.TOO_LARGE, ProblemCode.BAD_RECORD)
NO_ROOM: Final = (
    f"the dead letters of sends have more than {LETTER_BYTES_MAX} bytes: redrive or drop some"
)
_MISSING: Final = (ProblemCode.NO_TOPIC, ProblemCode.NO_PARTITION)
_LOG = logging.getLogger("perdure.outbox")


class LaneTerm(Protocol):
    """What a carrier needs of its term of leadership."""

    epoch: int

    def now_ms(self) -> int: ...

    def propose(self, record: Produced | OutboxRefused | CloseLane) -> None: ...

    def letter_bytes(self, subscription: str) -> int:
        """Of the dead letters of a subscription, or OF_SENDS, in this partition."""
        ...

    def options_of(self, cluster: str) -> Hashable | None:
        """How a broker cluster is reached now; None: there is none of that name."""
        ...

    def open_writer(self, cluster: str) -> TopicWriter | None:
        """A new writer of this partition; None: there is no broker cluster of that name."""
        ...


class TopicCarrier:
    """The `Carrier` of one partition to one broker cluster, for one term of leadership."""

    rows_max = ROWS_MAX
    trims = True

    def __init__(
        self, cluster: str, term: LaneTerm, pace: CommitPace, scheduler: Scheduler
    ) -> None:
        self._cluster = cluster
        self._term = term
        self._pace = pace
        self._begun: int | None = None  # the transaction under way, as the pace has it
        self._scheduler = scheduler
        self._lanes: dict[int, Given] = {}
        self._writer: TopicWriter | None = None
        self._options: Hashable | None = None  # that it was opened by
        self._missed_s: float | None = None  # since when there is no such broker cluster
        self._is_busy = False  # the writer opens or writes, or it is too early to
        self._failures = 0
        self._fenced_count = 0  # by other writers, since something was committed
        self._last: dict[int, int] = {}  # of the ledger, until it was compared
        self._proof: int | None = None  # lane whose record shows that this is still the leader
        self._quiet: Timer | None = None
        self._is_over = False
        self._committed = CommittedRows(self._trim, scheduler)
        self.reason = ""  # why nothing is sent, for people

    # the port

    def carry(
        self,
        number: int,
        lane: Lane,
        first: int,
        rows: Rows,
        settled: Callable[[int], None],
    ) -> None:
        assert isinstance(lane.destination, ToTopic), "another carrier's lane"
        given = self._lanes.get(number)
        if given is None:
            given = self._lanes[number] = Given(number, lane.destination.topic)
        given.first, given.rows = first, rows
        given.lane, given.settled = lane, settled
        if self._writer is not None and number in self._last:
            self._compare(given, self._last.pop(number))
        self._go_on()

    def stop(self) -> None:
        self._is_over = True
        self._end_transaction()
        self._committed.stop()
        self._close_writer()

    # records of this term that have been applied

    def refused(self, record: OutboxRefused) -> None:
        """Or dropped: then it is tried again. One of an earlier term says nothing of this one."""
        given = self._lanes.get(record.lane)
        if given is None or given.lane is None or record.epoch != self._term.epoch:
            return
        if given.is_held and given.first == record.number:
            given.is_held = given.is_alone = False
            given.failures = 0
            if given.lane.trimmed >= record.number:
                self._settle(given, record.number)
            self._go_on()

    def produced(self, record: Produced) -> None:
        if record.lane == self._proof and record.epoch == self._term.epoch:
            self._proof = None
            delay_s = backoff_s(RETRY_FIRST_S, RETRY_MAX_S, self._fenced_count - 1)
            self._wait(self.reason, delay_s)

    def closed(self, record: CloseLane) -> None:
        """Or the proposal was dropped: then the lane is given again."""
        given = self._lanes.get(record.lane)
        if given is not None and given.is_held and record.epoch == self._term.epoch:
            del self._lanes[record.lane]
            self._settle(given, given.first - 1)

    def reasons(self) -> Iterator[tuple[int, str]]:
        """Of lanes with rows that wait for more than their turn: number, and why, for people."""
        for given in self._lanes.values():
            reason = given.reason or self.reason
            if given.settled is not None and reason:
                yield given.number, reason

    # the writer

    def _go_on(self) -> None:
        """Send what there is, if nothing is under way."""
        if self._is_busy or self._is_over:
            return
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        waiting = [one for one in self._lanes.values() if one.settled and not one.is_held]
        if not waiting:
            self.reason = ""
            if self._writer is not None:
                self._quiet = self._scheduler.call_later(QUIET_S, self._close_writer)
            return
        self._is_busy = True
        options = self._term.options_of(self._cluster)
        if options != self._options:
            self._close_writer()
        if self._writer is None:
            self._open_writer(options, waiting)
            return
        alone = next((one for one in waiting if one.is_alone), None)
        chosen = waiting[:LANES_MAX] if alone is None else [alone]
        chosen = [one for one in chosen if one.read()]
        if not chosen:
            self._is_busy = False
            return
        self._begun = self._pace.begin()
        self._writer.write(list(map(rows_of, chosen)), partial(self._written, chosen))

    def _open_writer(self, options: Hashable | None, waiting: list[Given]) -> None:
        self._options = options
        self._writer = None if options is None else self._term.open_writer(self._cluster)
        if self._writer is not None:
            self._missed_s = None
            self._writer.open(partial(self._opened, waiting[0]))
            return
        now_s = self._scheduler.time_s()
        if self._missed_s is None:
            self._missed_s = now_s
        if now_s - self._missed_s >= DELETED_S:
            for given in waiting[:LANES_MAX]:
                self._close_lane(given)
        self._wait("there is no broker cluster of this name", RETRY_MAX_S)

    def _close_lane(self, given: Given) -> None:
        given.is_held = True
        self._committed.report(given.number)
        self._term.propose(CloseLane(self._term.epoch, self._term.now_ms(), given.number))

    def _close_writer(self) -> None:
        self._last.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _opened(self, waiting: Given, found: WriterReady | ForeignLedger | Lost) -> None:
        if isinstance(found, WriterReady):
            self._failures = 0
            if not self._fenced_count:
                self.reason = ""
            self._last = dict(found.last)
            for given in list(self._lanes.values()):
                if given.settled is not None:
                    self._compare(given, self._last.pop(given.number, 0))
            self._is_busy = False
            self._go_on()
            return
        self._close_writer()
        if isinstance(found, ForeignLedger):
            self._wait(found.message, FOREIGN_S)
        elif found.is_fenced:
            self._prove(waiting, found.reason)
        else:
            self._wait(found.reason, self._backoff_s())

    def _compare(self, given: Given, last: int) -> None:
        """What the ledger says of a lane goes before what this term believes."""
        assert given.lane is not None
        if last > given.lane.given:
            given.is_held = True
            given.reason = f"the ledger says that row {last} was sent, which was never given"
            _LOG.error(
                "the ledger says that row %d of lane %d to topic %s was sent, but only %d were"
                " given: nothing more is sent on it",
                last,
                given.number,
                given.topic,
                given.lane.given,
            )
        elif last >= given.first:
            if not given.read():
                self._last[given.number] = last
                return
            known = given.items[: last - given.first + 1]
            upto = given.first + len(known) - 1
            if upto < last:  # of rows that are given next
                self._last[given.number] = last
            self._committed.add(given.number, given.first, known, ())
            self._settle(given, upto)

    def _written(self, chosen: list[Given], end: Committed | NotCommitted | Lost) -> None:
        rest_s = self._end_transaction()
        match end:
            case Committed(places=places):
                self._failures = self._fenced_count = 0
                self.reason = ""
                for given in chosen:
                    self._sent(given, places[given.number])  # more of it may be given at once
                self._scheduler.call_later(rest_s, self._waited)
            case NotCommitted(reason=reason, problems=problems):
                # Of several lanes the brokers may blame all for what is wrong with one.
                is_told = len(chosen) == 1 or len(problems) < len(chosen)
                for given in chosen:
                    if given.number in problems:
                        self._judge(given, problems[given.number], is_told)
                if problems:
                    self._is_busy = False
                    self._go_on()
                else:
                    self._wait(reason, self._backoff_s())
            case Lost(reason=reason, is_fenced=is_fenced):
                self._close_writer()
                if is_fenced:
                    self._prove(chosen[0], reason)
                else:
                    self._wait(reason, self._backoff_s())

    def _end_transaction(self) -> float:
        begun, self._begun = self._begun, None
        return 0.0 if begun is None else self._pace.end(begun)

    def _sent(self, given: Given, places: tuple[tuple[int, int], ...]) -> None:
        given.is_alone = False
        given.failures = 0
        given.missing_s = None
        items = given.items[: len(places)]
        self._committed.add(given.number, given.first, items, places)
        self._settle(given, given.first + len(items) - 1)

    def _settle(self, given: Given, upto: int) -> None:
        settled, given.settled = given.settled, None
        given.items = ()
        given.reason = ""
        if settled is not None:
            settled(upto)

    def _prove(self, given: Given, reason: str) -> None:
        """Another writer was opened. If its leader is the newer one, this term is about to end,
        and may not fence it: first a record of this epoch has to be applied."""
        _LOG.warning("the writer to %s was fenced: %s", self._cluster, reason)
        self._fenced_count += 1
        self.reason = f"another writer uses its transactional id: {reason}"
        self._proof = given.number
        self._trim(given.number, 0, ())

    def _wait(self, reason: str, delay_s: float) -> None:
        if reason != self.reason:
            _LOG.warning("nothing is sent to broker cluster %s: %s", self._cluster, reason)
        self.reason = reason
        self._scheduler.call_later(delay_s, self._waited)

    def _waited(self) -> None:
        self._is_busy = False
        self._go_on()

    def _backoff_s(self) -> float:
        self._failures += 1
        return backoff_s(RETRY_FIRST_S, RETRY_MAX_S, self._failures - 1)

    # lanes that fail

    def _judge(self, given: Given, problem: Problem, is_told: bool) -> None:
        """Whether its first row can never be sent, or when it is tried again. `is_told`: the
        problem is of this lane and no other."""
        is_sure = is_told and (given.is_alone or len(given.items) == 1)
        if not is_sure and problem.code is not ProblemCode.NO_TOPIC:
            given.is_alone = True  # at once: it may be another row's fault, or another lane's
        elif self._is_never(given, problem.code):
            self._refuse(given, problem)
        else:
            self._hold(given, problem.message)

    def _is_never(self, given: Given, code: ProblemCode) -> bool:
        """Whether the first row of a lane can never be sent, as far as is known."""
        if code not in _MISSING:
            return code in _NEVER
        return given.is_missing(self._scheduler.time_s(), code is ProblemCode.NO_TOPIC)

    def _refuse(self, given: Given, problem: Problem) -> None:
        item = given.items[0]
        if item.kind in FEED_KINDS:
            self._hold(given, problem.message)
            return
        if self._has_no_room(item):
            self._hold(given, f"{problem.message}; {NO_ROOM}")
            return
        given.is_held = True
        self._committed.report(given.number)
        self._term.propose(
            OutboxRefused(
                self._term.epoch,
                self._term.now_ms(),
                given.number,
                given.first,
                problem.code.value,
                problem.message,
            )
        )

    def _has_no_room(self, item: Produce) -> bool:
        """Whether there is no room for the dead letter that the row would become. A caller that
        waits for it gets its failure all the same."""
        has_letter = item.kind != LETTER and not item.awaited
        return has_letter and self._term.letter_bytes(OF_SENDS) > LETTER_BYTES_MAX

    def _hold(self, given: Given, reason: str) -> None:
        given.is_held = True
        given.reason = reason
        given.failures += 1
        delay_s = backoff_s(RETRY_FIRST_S, RETRY_MAX_S, given.failures - 1)
        self._scheduler.call_later(delay_s, partial(self._release, given))

    def _release(self, given: Given) -> None:
        given.is_held = False
        self._go_on()

    def _trim(self, lane: int, upto: int, answers: tuple[tuple[int, int, int], ...]) -> None:
        term = self._term
        term.propose(Produced(term.epoch, term.now_ms(), lane, upto, answers))
