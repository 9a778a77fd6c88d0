"""Many mixed lives leave no more rows than few: what remains has a cause that is still there."""

from collections.abc import Iterator
from random import Random

import pytest

from orchestrator.codec.keys import listing_number
from orchestrator.machine import apply, apply_chore, details, life, waiting
from orchestrator.model.effects import (
    AnyEffect,
    Attach,
    ClearState,
    CompletePromise,
    GetPromise,
    GetState,
    SetState,
    Sleep,
)
from orchestrator.model.ids import placed_key
from orchestrator.model.limits import LISTED_COUNT_MAX
from orchestrator.model.records import (
    AnyRecord,
    Cancel,
    ChoreStep,
    Ended,
    Failed,
    Kill,
    OutboxAdvanced,
    PatchState,
    Pause,
    Purge,
    PurgeExpired,
    Resume,
    Signal,
    Suspended,
    TimersFired,
    Transfer,
)
from orchestrator.model.rows import LISTED_TIMES
from orchestrator.model.values import (
    INVOKED,
    LIVE_STATUSES,
    OBJECT_EXCLUSIVE,
    OBJECT_SHARED,
    SERVICE,
    THEN_PAUSE,
    THEN_RETRY,
    WORKFLOW_RUN,
    WORKFLOW_SHARED,
    Attempted,
    Caller,
    Future,
)
from orchestrator.tables import listings
from orchestrator.tables.state import State
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.golden.lives import call_of
from tests.unit.machine.bench import Bench

VALUE = frame(codes.SET_STATE, b"v" * 9_000)  # more than an object's row holds
KINDS = (
    (SERVICE, "S"),
    (OBJECT_EXCLUSIVE, "O"),
    (OBJECT_SHARED, "O"),
    (WORKFLOW_RUN, "W"),
    (WORKFLOW_SHARED, "W"),
)


class Soak:
    """Two partitions that live, send each other what they owe, and come to rest."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.benches = [Bench(number, 2) for number in range(2)]
        self.ids: list[bytes] = []

    def live(self, count: int) -> None:
        for number in range(count):
            self._invoke(number)
            for _ in range(3):
                self._go_on(self.random.choice(self.ids))
            if number % 20 == 0:
                self._settle()
                self._check_counts()
                self._check_listings()
        self._come_to_rest()

    def _invoke(self, number: int) -> None:
        random = self.random
        where = random.randrange(2)
        identity = placed_key(where, 2, number) + number.to_bytes(16, "big")
        kind, service = random.choice(KINDS)
        # Keys stay in their partition, as where they hash to.
        key = "" if kind == SERVICE else f"{where}{random.randrange(3)}"
        if kind == WORKFLOW_RUN:
            key = f"{where}{number}"
        bench = self.benches[where]
        bench.invoke(
            identity,
            service=service,
            key=key,
            kind=kind,
            retention_ms=random.choice((0, 10, 5_000)),
            start_at_ms=bench.now_ms + 50 if random.random() < 0.2 else 0,
            idempotency_key=f"i{number}" if random.random() < 0.3 else None,
        )
        self.ids.append(identity)

    def _go_on(self, identity: bytes) -> None:
        bench = self._home(identity)
        row = bench.live(identity)
        if row is None or row.status != INVOKED:
            bench.do(self._operation(identity, bench.now_ms))
            return
        bench.flush(identity, *self._effects(bench, identity), frames=VALUE, end=self._end(bench))

    def _effects(self, bench: Bench, identity: bytes) -> list[AnyEffect]:
        random = self.random
        row = bench.live(identity)
        assert row is not None
        number = row.entries * 4
        other = random.choice(self.ids)
        child = other[:8] + random.randbytes(16)
        self.ids.append(child)
        caller = Caller(identity, row.incarnation, number)
        choices: list[AnyEffect] = [
            Sleep(bench.now_ms + random.choice((0, 50, 10**9)), number),
            Attach(other, number),
            call_of(child, random.choice((caller, None)), number, completion_id=number + 1),
        ]
        if row.invoke.kind in (OBJECT_EXCLUSIVE, WORKFLOW_RUN):
            key = random.choice((b"a", b"b"))
            state = [SetState(key, 8, len(VALUE)), ClearState(key), GetState(key, number)]
            choices = state + choices[:1]
        if row.invoke.service == "W":
            name = random.choice(("p", "pp"))
            choices += [GetPromise(name, number), CompletePromise(name, number, 0, 4)]
        return [random.choice(choices)]

    def _end(self, bench: Bench) -> Ended | Suspended | Failed | None:
        random = self.random
        why = Attempted(500, "no")
        return random.choice(
            (
                None,
                Ended(),
                Suspended(Future((4, 8, 12), (1,))),
                Failed(why, THEN_RETRY, 1, bench.now_ms + 9),
                Failed(why, THEN_PAUSE, 2),
            )
        )

    def _operation(self, identity: bytes, now_ms: int) -> AnyRecord:
        return self.random.choice(
            (
                Cancel(identity, now_ms),
                Kill(identity, now_ms),
                Pause(identity, now_ms),
                Resume(identity, now_ms),
                Purge(identity, now_ms),
                Signal(identity, 17, "", b"v", now_ms),
                PatchState("O", "00", False, None, ((b"a", b"x" * 9_000),), now_ms),
            )
        )

    def _settle(self) -> None:
        """What leaders owe: chores, timers, what expired, what goes to the other partition."""
        for bench in self.benches:
            bench.now_ms += 100
            due = (bench.now_ms + 1).to_bytes(8, "big")
            timers = tuple(key for key, _ in bench.state.timers.scan(stop=due))
            bench.do(TimersFired(bench.epoch, bench.now_ms, timers))
            expired = tuple(key for key, _ in bench.state.retention.scan(stop=due))
            bench.do(PurgeExpired(bench.epoch, bench.now_ms, expired))
        is_at_rest = False
        while not is_at_rest:
            chores = [self._chores(bench) for bench in self.benches]
            is_at_rest = not any(chores)
            for source, target in ((0, 1), (1, 0)):
                is_at_rest = self._transfer(source, target) and is_at_rest

    def _chores(self, bench: Bench) -> list[bytes]:
        keys = [key for key, _ in bench.state.chores.scan()]
        for key in keys:
            bench.do(ChoreStep(bench.epoch, bench.now_ms, key))
        return keys

    def _transfer(self, source: int, target: int) -> bool:
        bench = self.benches[source]
        rows = list(bench.state.outbox.scan())
        if rows:
            first = int.from_bytes(rows[0][0][4:], "big")
            items = tuple(row.item for _, row in rows)
            self.benches[target].do(Transfer(source, target, first, items))
            bench.do(OutboxAdvanced(bench.epoch, ((target, first + len(items) - 1),)))
        return not rows

    def _come_to_rest(self) -> None:
        """Everything that lives ends, some by a kill and some by itself, and expires."""
        for identity in self.ids:
            row = self._home(identity).live(identity)
            if row is not None and self.random.random() < 0.5 and row.status == INVOKED:
                self._home(identity).finish(identity)
        self._settle()
        for identity in self.ids:
            self._home(identity).do(Kill(identity, self._home(identity).now_ms))
        self._settle()
        for bench in self.benches:
            bench.now_ms += 10**10
        self._settle()

    def _check_counts(self) -> None:
        """The partition's row knows how many are alive, by status."""
        for bench in self.benches:
            statuses = [row.status for _, row in bench.state.invocations.scan()]
            counts = [statuses.count(status) for status in range(LIVE_STATUSES)]
            assert bench.state.partition_row.live == counts

    def _check_listings(self) -> None:
        """Whoever is retained is listed, once, at the place that its row remembers."""
        for bench in self.benches:
            shown = {
                (identity, place)
                for identity, place, expires_ms in listed_places(bench.state)
                if expires_ms > bench.now_ms
            }
            rows = [row for _, row in bench.state.completed.scan()]
            assert shown == {
                (row.invoke.id, row.listed) for row in rows if row.expires_at_ms > bench.now_ms
            }

    def _home(self, identity: bytes) -> Bench:
        return self.benches[identity[0] >> 7]


@pytest.mark.parametrize("is_small", [False, True], ids=["as it is", "small bounds"])
@pytest.mark.parametrize("seed", range(4))
def test_many_lives_leave_no_more_rows_than_few(
    seed: int, is_small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_small:
        make_small(monkeypatch)
    soak = Soak(seed)
    soak.live(400)
    for bench in soak.benches:
        assert not any(bench.state.partition_row.live)
        check_rest(bench)


def listed_places(state: State) -> Iterator[tuple[bytes, int, int]]:
    """(id, place, expires at) of all that are listed and were not purged by hand."""
    for key, row in state.listings.scan():
        first = listing_number(key) * LISTED_COUNT_MAX
        for at, times in enumerate(LISTED_TIMES.iter_unpack(row.times)):
            if at not in row.gone:
                yield bytes(row.ids[at * 24 : at * 24 + 24]), first + at, times[3]


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and rows of their own for everything that may have them."""
    for module in (details, life):
        monkeypatch.setattr(module, "DETAIL_INLINE_COUNT", 1)
    monkeypatch.setattr(details, "DETAIL_PAGE_COUNT", 2)
    monkeypatch.setattr(listings, "_FULL_COUNT", 3)
    monkeypatch.setattr(listings, "LISTINGS_DROPPED_MAX", 1_000)
    monkeypatch.setattr(waiting, "WAITERS_INLINE_COUNT", 0)
    monkeypatch.setattr(apply, "INBOX_STEP_COUNT", 1)
    monkeypatch.setattr(apply_chore, "CHORE_STEP_COUNT", 1)


def check_rest(bench: Bench) -> None:
    """A row of the partition; keys that hold state or completed promises, as many as there are."""
    state = bench.state
    assert {key[:1] for key, _ in bench.rows()} <= {b"m", b"o", b"s", b"p"}
    owners = [row for _, row in state.objects.scan()]
    promises = [row for _, row in state.promises.scan()]
    assert all(owner.state or owner.state_count or owner.promise_count for owner in owners)
    assert sum(owner.state_count for owner in owners) == len(list(state.state_rows.scan()))
    assert sum(owner.promise_count for owner in owners) == len(promises)
    assert all(p.outcome is not None and not p.waiters and not p.more_waiters for p in promises)
