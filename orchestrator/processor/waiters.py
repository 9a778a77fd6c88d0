"""Who waits in this process for what becomes of a record, or for the result of an invocation.

Waiting clients are not state: they are lost with the process, and nothing in the log knows them.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from orchestrator.machine.results import outcome_of
from orchestrator.model.actions import Complete
from orchestrator.model.answers import DONE, Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.values import SCHEDULED
from orchestrator.processor.port import (
    Accepted,
    OnAnswer,
    OnReply,
    Reply,
    Result,
    Unavailable,
    Unknown,
)
from orchestrator.tables.state import State

TOLD_COUNT = 64  # clients answered in one callback: an answer costs some 30 us
TOLD_BYTES = 4 << 20  # of results copied to clients in one callback
_SMALL_BYTES = TOLD_BYTES // TOLD_COUNT
_SMALL_PART = 1 / TOLD_COUNT
_ACCEPTED = Accepted(True)
logger = logging.getLogger("perdure.processor")


class Failing(Protocol):
    """A waiter that can be failed: what it waits for will not come."""

    def failed(self, reason: str, kept: bool) -> None:
        """`kept`: the record may be in the log; else it certainly is not."""
        ...


class Waiter(Failing, Protocol):
    """Told exactly once what became of a record. `results` and `state` are those of its
    partition. Both methods may raise StoreError, and have told nobody then."""

    def applied(self, state: State, results: "Results", answer: Answer) -> None: ...

    def resolve_unknown(self, state: State, results: "Results", since_offset: int) -> None:
        """The record's fate was unknown; the log has been read to its end since."""
        ...


class ResultWaiter:
    """A client that wants the result of one incarnation of an invocation."""

    __slots__ = ("id", "incarnation", "on_reply", "results")

    def __init__(self, invocation_id: bytes, on_reply: OnReply) -> None:
        self.id = invocation_id
        self.incarnation = -1
        self.on_reply: OnReply | None = on_reply
        self.results: Results | None = None

    def reply(self, reply: Reply) -> None:
        on_reply = self.on_reply
        if on_reply is not None:
            try:
                on_reply(reply)
            except Exception:  # a face's fault must not stop a partition
                logger.exception("a waiting client could not be answered")

    def failed(self, reason: str, kept: bool) -> None:
        self.reply(Unavailable(reason, kept))

    def forget(self) -> None:
        """The client went away."""
        self.on_reply = None
        if self.results is not None:
            self.results.drop(self)

    def watch(self, row: InvocationRow, results: "Results") -> None:
        """Reply when the result comes."""
        self.incarnation = row.incarnation
        if self.on_reply is not None:
            results.add(self)


class InvokeWaiter(ResultWaiter):
    """A client that sent an Invoke, and perhaps waits for the result."""

    __slots__ = ("request", "wait")

    def __init__(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> None:
        self.id = invoke.id
        self.request = invoke.request
        self.incarnation = -1
        self.on_reply = on_reply
        self.results = None
        self.wait = wait

    def applied(self, state: State, results: "Results", answer: Answer) -> None:
        created = answer is DONE
        if created and not self.wait:
            self.reply(_ACCEPTED)
            return
        # Read before replying: a read may fail, and each waiter must be answered exactly once.
        live = state.invocations.get(self.id)
        if created and live is not None:  # as nearly always
            self.reply(_ACCEPTED)
            self.watch(live, results)
            return
        row = live or state.completed.get(self.id)
        over = None
        if self.wait and not isinstance(row, InvocationRow):
            over = _result(state, row, replayed=not created)
        self.reply(Accepted(True) if created else Accepted(False, _starts_at_ms(row)))
        if over is not None:
            results.answer(self, over)
        elif self.wait and isinstance(row, InvocationRow):
            self.watch(row, results)

    def resolve_unknown(self, state: State, results: "Results", since_offset: int) -> None:
        row = _row(state, self.id)
        if row is None:
            self.failed("the fate of the record is not known", True)
            return
        # Another leader may have accepted a request for the same id meanwhile, from this client or
        # another.
        created = (
            row.incarnation >> POSITION_INDEX_BITS >= since_offset
            and row.invoke.request == self.request
        )
        self.applied(state, results, Answer.DONE if created else Answer.DUPLICATE)


class OperationWaiter:
    """A client that asked for an operation."""

    __slots__ = ("on_answer",)

    def __init__(self, on_answer: OnAnswer) -> None:
        self.on_answer = on_answer

    def applied(self, state: State, results: "Results", answer: Answer) -> None:
        self._reply(answer)

    def failed(self, reason: str, kept: bool) -> None:
        self._reply(Unavailable(reason, kept))

    def resolve_unknown(self, state: State, results: "Results", since_offset: int) -> None:
        self.failed("the fate of the record is not known", True)

    def _reply(self, answer: Answer | Unavailable) -> None:
        try:
            self.on_answer(answer)
        except Exception:  # a face's fault must not stop a partition
            logger.exception("a waiting client could not be answered")


class TransferWaiter:
    """The outbox sender of another partition; it sends again unless the transfer is confirmed."""

    __slots__ = ("settled",)

    def __init__(self, settled: Callable[[bool], None]) -> None:
        self.settled = settled

    def applied(self, state: State, results: "Results", answer: Answer) -> None:
        self.settled(True)

    def failed(self, reason: str, kept: bool) -> None:
        self.settled(False)

    def resolve_unknown(self, state: State, results: "Results", since_offset: int) -> None:
        self.settled(False)


class Results:
    """Clients that wait for results of one partition's invocations, by id.

    Thousands may wait for one result, and one turn may complete a thousand: so a callback answers a
    bounded number of clients. The first of a turn are answered at once, the others in callbacks
    given to `later`, one at a time.
    """

    __slots__ = ("_later", "_left", "_untold", "_waiting")

    def __init__(self, later: Callable[[Callable[[], object]], object]) -> None:
        self._later = later
        # By id; a dict of waiters, so that each of many can go away at once.
        self._waiting: dict[bytes, dict[ResultWaiter, None]] = {}
        self._untold: deque[tuple[Reply, deque[ResultWaiter]]] = deque()
        self._left = 1.0  # of one callback's work, for what the turn that is applied completes

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, waiter: ResultWaiter) -> None:
        waiter.results = self
        self._waiting.setdefault(waiter.id, {})[waiter] = None

    def drop(self, waiter: ResultWaiter) -> None:
        waiting = self._waiting.get(waiter.id)
        if waiting is not None:
            waiting.pop(waiter, None)
            if not waiting:
                del self._waiting[waiter.id]

    def begin_turn(self) -> None:
        """A turn begins: what it completes shares the work of one callback."""
        self._left = 1.0

    def answer(self, waiter: ResultWaiter, reply: Reply) -> None:
        """Answer one waiter: now, or later if this turn has answered many."""
        if self._left > 0:
            self._left -= _part(reply)
            waiter.reply(reply)
        else:
            self._reply(deque((waiter,)), reply, 0)

    def complete(self, done: Complete) -> None:
        """An incarnation has its result; waiters for another incarnation of the id go on
        waiting."""
        waiting = self._waiting.pop(done.id, None)
        if waiting is None:
            return
        reply = Result(done.outcome, done.expires_at_ms, False, done.output)
        if len(waiting) == 1:  # as nearly always
            (waiter,) = waiting
            if waiter.incarnation == done.incarnation:
                self.answer(waiter, reply)
                return
        told: deque[ResultWaiter] = deque()
        for waiter in waiting:
            if waiter.incarnation == done.incarnation:
                told.append(waiter)
            else:
                self.add(waiter)
        self._left -= self._reply(told, reply, self._left)

    def _reply(self, waiters: deque[ResultWaiter], reply: Reply, most: float) -> float:
        """Answer some now, the others later. Returns the part of one callback's work that it
        took."""
        spent = _reply_to_some(waiters, reply, most) if most > 0 else 0.0
        if waiters:
            if not self._untold:
                self._later(self._reply_to_more)
            self._untold.append((reply, waiters))
        return spent

    def _reply_to_more(self) -> None:
        spent = 0.0
        untold = self._untold
        while untold and spent < 1:
            reply, waiters = untold[0]
            spent += _reply_to_some(waiters, reply, 1 - spent)
            if waiters:
                break
            untold.popleft()
        if untold:
            self._later(self._reply_to_more)

    def ids(self) -> list[bytes]:
        """Of the invocations that somebody waits for, in the order in which they came."""
        return list(self._waiting)

    def reply_if_done(self, state: State, invocation_id: bytes) -> float:
        """Reply if the result is there: it may have come while another node led. Returns the
        part of one callback's work that it took."""
        live = state.invocations.get(invocation_id)
        done = state.completed.get(invocation_id)
        # Read first: it may raise StoreError, and then nobody may be missing from the list.
        result = _result(state, done, replayed=False)
        told: dict[int, deque[ResultWaiter]] = {}  # by incarnation
        for waiter in self._waiting.pop(invocation_id, ()):
            if live is not None and live.incarnation == waiter.incarnation:
                self.add(waiter)
            else:
                told.setdefault(waiter.incarnation, deque()).append(waiter)
        kept = None if done is None else done.incarnation
        return sum(
            self._reply(waiters, result if one == kept else Unknown(), 1)
            for one, waiters in told.items()
        )

    def take_all(self) -> list[ResultWaiter]:
        """The partition is not served here any more: the caller answers the waiters."""
        gone, self._waiting = self._waiting, {}
        return [waiter for waiters in gone.values() for waiter in waiters]


def _row(state: State, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
    return state.invocations.get(invocation_id) or state.completed.get(invocation_id)


def _starts_at_ms(row: InvocationRow | CompletedRow | None) -> int:
    is_scheduled = isinstance(row, InvocationRow) and row.status == SCHEDULED
    return row.invoke.start_at_ms if row is not None and is_scheduled else 0


def _reply_to_some(waiters: deque[ResultWaiter], reply: Reply, most: float) -> float:
    """Answer at least one, and as many as the part `most` of one callback's work allows. Returns
    the part that it took."""
    part = _part(reply)
    spent = 0.0
    while waiters and (not spent or spent + part <= most):
        waiters.popleft().reply(reply)
        spent += part
    return spent


def _part(reply: Reply) -> float:
    """The part of one callback's work that one answer takes."""
    if type(reply) is Result and type(reply.outcome) is bytes:
        size_bytes = len(reply.outcome)
        if size_bytes > _SMALL_BYTES:
            return size_bytes / TOLD_BYTES
    return _SMALL_PART


def _result(state: State, done: CompletedRow | None, replayed: bool) -> Reply:
    if done is None:
        return Unknown()
    return Result(outcome_of(state, done), done.expires_at_ms, replayed, done.output)
