"""Work that grows with what is stored, or with who waits, is done in bounded parts."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from orchestrator.model.records import AnyRecord, PurgeExpired, TimersFired
from orchestrator.processor import turns
from orchestrator.processor.chores import Chores
from orchestrator.processor.port import Accepted, Reply, Unavailable
from orchestrator.processor.seat import ANSWERED_AT_ONCE_MAX
from orchestrator.processor.slices import Slices
from orchestrator.processor.term import RECOVER_COUNT
from orchestrator.processor.upkeep import Upkeep
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.store.memory import MemoryHome, MemoryStore
from tests.unit.processor.test_actuators import sleeper
from tests.unit.processor.virtual_loop import VirtualLoop, run
from tests.unit.processor.world import Attempt, Process, World


class Rounds:
    """Counts rounds of the loop, and what happened in each."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.number = 0
        self._in_round: dict[int, int] = {}
        before = VirtualLoop._run_once  # type: ignore[attr-defined]

        def run_once(loop: VirtualLoop) -> None:
            self.number += 1
            before(loop)

        patch.setattr(VirtualLoop, "_run_once", run_once)

    def count(self) -> None:
        self._in_round[self.number] = self._in_round.get(self.number, 0) + 1

    @property
    def most(self) -> int:
        return max(self._in_round.values(), default=0)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    return Rounds(monkeypatch)


def hang(attempt: Attempt) -> None:
    """A service that never answers."""


async def full_of_waiting(world: World, count: int) -> None:
    """So many invocations whose attempts are under way when their process ends."""
    process = await world.led({"slow": hang})
    for number in range(count):
        uid = world.uid(number % world.partition_count)
        process.send(process.make(uid, "slow"), wait=False)
    await process.until(lambda: len(process.invoker.starts) == count)
    await process.processor.close()


def counting_starts(process: Process, rounds: Rounds) -> None:
    start = process.invoker.start

    def counted(source: object, invocation_id: bytes, incarnation: int) -> None:
        rounds.count()
        start(source, invocation_id, incarnation)  # type: ignore[arg-type]

    process.invoker.start = counted  # type: ignore[method-assign, assignment]


def test_a_term_begins_in_slices_and_new_calls_do_not_wait_for_its_end(rounds: Rounds) -> None:
    async def story() -> None:
        world = World(3)
        await full_of_waiting(world, 3_000)
        # Time stands still while there is work: nothing may wait for it.
        process = await world.process({"slow": hang}, turn_gap_max_s=0.0)
        counting_starts(process, rounds)
        while len(process.processor.leading()) < 3:
            await asyncio.sleep(0)
        first = rounds.number
        replies = process.send(process.make(world.uid(0)))
        while len(replies) < 2:
            await asyncio.sleep(0)
        assert len(process.invoker.starts) < 1_500  # of 3,000
        assert rounds.number - first < 20
        await process.until(lambda: len(process.invoker.starts) == 3_001)
        assert rounds.most <= RECOVER_COUNT + 1
        await process.processor.close()

    run(story())


def test_each_partition_opens_its_store_in_a_round_of_its_own(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 10 ms and more: 24 in one round were the longest silence of a start."""
    candidates = MemoryHome.candidates
    opened = []

    def counted(self: MemoryHome) -> Iterator[MemoryStore]:
        opened.append(self)
        rounds.count()
        return candidates(self)

    monkeypatch.setattr(MemoryHome, "candidates", counted)

    async def story() -> None:
        process = await World(12).led({})
        await process.processor.close()

    run(story())
    assert len(opened) == 12 and rounds.most == 1


def test_a_recovery_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows read from the store, whatever the number of slices."""
    read = [0]
    scan = MemoryStore.scan

    def counted(
        self: MemoryStore, start: bytes, stop: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        for pair in scan(self, start, stop):
            read[0] += 1
            yield pair

    monkeypatch.setattr(MemoryStore, "scan", counted)
    costs = []
    for count in (2_000, 4_000):

        async def story(count: int = count) -> int:
            world = World(1)
            await full_of_waiting(world, count)
            read[0] = 0
            process = await world.led({"slow": hang})
            await process.until(lambda: len(process.invoker.starts) == count)
            cost = read[0]
            await process.processor.close()
            return cost

        costs.append(run(story()))
    assert costs[0] >= 2_000
    assert costs[1] / costs[0] < 2.3


def test_timers_that_are_due_together_fire_in_parts_and_in_turn(rounds: Rounds) -> None:
    async def story() -> None:
        world = World(4)
        process = await world.led({"nap": sleeper(60_000)}, timers_per_record=400)
        for number in range(4_000):
            process.send(process.make(world.uid(number % 4), "nap"), wait=False)
        await process.until(lambda: len(process.invoker.starts) == 4_000)
        await process.processor.close()
        await asyncio.sleep(120)  # all of them are due
        process = await world.process({"nap": sleeper(0)}, timers_per_record=400)
        counting_starts(process, rounds)
        seen: list[dict[int, int]] = []
        for _ in range(2_000):
            await asyncio.sleep(0.001)
            seen.append({n: fired(process, n) for n in range(4)})
            if len(process.invoker.starts) == 4_000:
                break
        assert len(process.invoker.starts) == 4_000
        for number in range(4):
            sizes = [len(r.keys) for r in records(process, number) if isinstance(r, TimersFired)]
            assert sum(sizes) == 1_000
            assert max(sizes) <= 400  # of one partition while it leads alone
        assert rounds.most <= 4 * 400 + 4
        halfway = next(counts for counts in seen if sum(counts.values()) >= 2_000)
        assert all(count >= 250 for count in halfway.values())  # none waits for the others
        await process.processor.close()

    run(story())


def fired(process: Process, number: int) -> int:
    return sum(len(r.keys) for r in records(process, number) if isinstance(r, TimersFired))


def records(process: Process, number: int) -> list[AnyRecord]:
    return process.log.records(number)


def test_a_turn_takes_a_bounded_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "RECORDS_MAX", 100)

    async def story() -> None:
        process = await World(2).led()
        process.log.hold(0)
        process.log.hold(1)
        replies = [
            process.send(process.make(process.world.uid(n % 2)), wait=False) for n in range(1_000)
        ]
        await asyncio.sleep(0.1)
        process.log.let_go(0)
        process.log.let_go(1)
        await process.until(lambda: all(replies))
        for number in range(2):
            assert max(len(part) for part in process.log.by_message(number)) <= 100
        assert all(isinstance(got[0], Accepted) for got in replies)
        await process.processor.close()

    run(story())


def test_clients_of_a_partition_that_goes_are_told_in_parts(rounds: Rounds) -> None:
    async def story() -> None:
        process = await World(1).led({"slow": hang})
        told: list[Reply] = []

        def tell(reply: Reply) -> None:
            if isinstance(reply, Unavailable):
                rounds.count()
                told.append(reply)

        for _ in range(1_000):
            process.processor.engine.invoke(process.make(process.world.uid(), "slow"), True, tell)
        await process.until(lambda: len(process.invoker.starts) == 1_000)
        process.processor._seats._revoked(0)
        await process.until(lambda: len(told) == 1_000)
        assert rounds.most <= ANSWERED_AT_ONCE_MAX
        await process.processor.close()

    run(story())


def test_what_expired_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        process = await World(1).led(cleanup_s=30.0)
        for _ in range(3_000):
            invoke = msgspec.structs.replace(
                process.make(process.world.uid()),
                completion_retention_ms=0,
                journal_retention_ms=0,
            )
            process.send(invoke, wait=False)
        await asyncio.sleep(1_000)
        purges = [r for r in process.log.records(0) if isinstance(r, PurgeExpired) and r.keys]
        assert len(purges) >= 3  # each what a turn could take, at most
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.partition is not None
        assert list(seat.partition.state.completed.scan()) == []
        await process.processor.close()

    run(story())


def test_slices_take_turns_one_a_round(rounds: Rounds) -> None:
    async def story() -> None:
        slices = Slices(LoopScheduler())
        order: list[str] = []

        def work(name: str, count: int) -> None:
            left = iter(range(count))

            def step() -> bool:
                rounds.count()
                order.append(name)
                return next(left, None) is not None

            slices.add(step)

        work("a", 2)
        work("b", 1)
        while slices:
            await asyncio.sleep(0)
        assert order == ["a", "b", "a", "b", "a"]
        assert rounds.most == 1

    run(story())


def test_chores_go_a_few_at_a_time_in_turn_and_once() -> None:
    proposed: list[bytes] = []
    chores = Chores(proposed.append, lambda: 2)
    for name in (b"a", b"b", b"c", b"a", b"c"):
        chores.add(name)
    assert proposed == [b"a", b"b"]
    chores.step_applied(b"a")
    chores.add(b"a")  # it has another step, and goes behind
    chores.step_applied(b"b")
    assert proposed == [b"a", b"b", b"c", b"a"]
    chores.step_applied(b"c")
    chores.step_applied(b"a")
    assert proposed == [b"a", b"b", b"c", b"a"]


def test_partitions_that_are_to_be_spilled_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is spilled at a time: under load the last ones must not wait for ever."""

    async def story() -> None:
        world = World(6)
        process = await world.led(spill_rows=1, spill_s=0.0)
        spilled: dict[int, int] = {}

        def spill(upkeep: Upkeep) -> None:
            number = upkeep._seat.number
            spilled[number] = spilled.get(number, 0) + 1
            before(upkeep)

        before = Upkeep.spill
        monkeypatch.setattr(Upkeep, "spill", spill)
        for _ in range(60):
            for number in range(6):
                process.send(process.make(world.uid(number)), wait=False)
            await asyncio.sleep(0.003)
        assert len(spilled) == 6
        assert max(spilled.values()) <= 2 * min(spilled.values())
        monkeypatch.undo()
        await process.processor.close()

    run(story())


def test_partitions_are_spilled_one_a_round_at_the_end(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        world = World(6)
        process = await world.led()
        for number in range(6):
            await process.call(process.make(world.uid(number)))
        before, spilled = Upkeep.spill, rounds.most

        def spill(upkeep: Upkeep) -> None:
            rounds.count()
            before(upkeep)

        monkeypatch.setattr(Upkeep, "spill", spill)
        await process.processor.close()
        assert (spilled, rounds.most) == (0, 1)

    run(story())
