"""Random faults under one seed: every call ends once, and stores equal the log re-applied."""

import asyncio
import random

import pytest

from orchestrator.model.effects import SetOutput, SetState
from orchestrator.model.ids import key_partition_key
from orchestrator.model.records import Ended
from orchestrator.model.values import OBJECT_EXCLUSIVE
from orchestrator.processor.port import Result, Unavailable
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.processor.comparing import compare
from tests.unit.processor.test_actuators import caller_of, failing, sleeper
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, World

PARTITIONS = 3
OBJECTS = ("a", "b", "c", "d")


def increment(attempt: Attempt) -> None:
    """Adds one to its object, and says what it got."""
    state, _ = attempt.source.state_of(attempt.input.invoke.id, 1_000)
    value = dict(state).get(b"n", b"0")
    if attempt.input.entries == 1:
        value = b"%d" % (int(value) + 1)
        attempt.flush(SetState(b"n", 8, 8 + len(value)), frames=frame(codes.SET_STATE, value))
    raw = frame(codes.OUTPUT, value)

    def end() -> None:
        attempt.flush(SetOutput(8, 8 + len(value)), frames=raw, end=Ended())

    asyncio.get_running_loop().call_later(0.003, end)


class Chaos:
    """A client that never gives up, and a world that never holds still."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(PARTITIONS, seed)
        self.process: Process | None = None
        self.results: dict[bytes, bytes] = {}
        self.counters: dict[bytes, str] = {}
        self.scripts = {
            "add": increment,
            "nap": sleeper(700),
            "flaky": failing(2, 150),
        }

    async def start_process(self) -> None:
        """The one before, if there was one, is not told: it goes on as a zombie for a while."""
        draw = self.random
        self.process = await self.world.process(
            dict(self.scripts),
            spill_rows=draw.choice((1, 7, 50, 1_000)),
            spill_s=draw.choice((0.01, 0.2, 2.0)),
            flush_records=draw.choice((5, 60, 20_000)),
            checkpoint_records=10**9,  # the log stays whole, to be compared with
            retry_first_s=0.02,
        )

    def ask(self, number: int) -> bytes:
        """One more invocation, of some kind."""
        draw, world = self.random, self.world
        uid = world.uid(draw.randrange(PARTITIONS))
        kind = draw.choice(("add", "nap", "flaky", "echo", "call"))
        fields: dict[str, object] = {}
        if kind == "add":
            key = draw.choice(OBJECTS)
            uid = uid_of_key(uid, key)
            fields = {"key": key, "kind": OBJECT_EXCLUSIVE}
            self.counters[uid] = key
        elif kind == "call":
            kind = f"call{number}"
            self.scripts[kind] = caller_of(world.uid(draw.randrange(PARTITIONS)))
            assert self.process is not None
            self.process.invoker.scripts.update(self.scripts)
        self.send(uid, kind, fields)
        return uid

    def send(self, uid: bytes, kind: str, fields: dict[str, object]) -> None:
        process = self.process
        assert process is not None
        loop = asyncio.get_running_loop()

        def on_reply(reply: object) -> None:
            if isinstance(reply, Result):
                assert isinstance(reply.outcome, bytes)
                assert self.results.setdefault(uid, reply.outcome) == reply.outcome
            elif isinstance(reply, Unavailable) or process is not self.process:
                loop.call_later(0.1, self.send, uid, kind, fields)

        process.processor.engine.invoke(process.make(uid, kind, **fields), True, on_reply)
        # The process may be killed without a word: a client asks again after a while.
        loop.call_later(5.0, self.ask_again, uid, kind, fields, process)

    def ask_again(self, uid: bytes, kind: str, fields: dict[str, object], process: Process) -> None:
        if uid not in self.results and process is not self.process:
            self.send(uid, kind, fields)

    async def trouble(self) -> None:
        """One fault."""
        draw = self.random
        assert self.process is not None
        log, partition = self.process.log, draw.randrange(PARTITIONS)
        fault = draw.random()
        if fault < 0.35:
            log.lose[partition] = draw.random() < 0.5
        elif fault < 0.5:
            log.refuse.add(partition)
            asyncio.get_running_loop().call_later(draw.random(), log.refuse.discard, partition)
        elif fault < 0.65 and log.held.get(partition) is None:
            log.hold(partition)
            asyncio.get_running_loop().call_later(draw.random() * 3, log.let_go, partition)
        elif fault < 0.72:
            log.ack_delay_s = draw.choice((0.0, 0.002, 0.1))
            log.read_delay_s = draw.choice((0.0, 0.005, 0.05))
        elif fault < 0.8:
            log.unwritable = "for a moment"
            asyncio.get_running_loop().call_later(draw.random(), setattr, log, "unwritable", "")
        elif fault < 0.93:
            await self.start_process()
        else:
            await self.process.processor.close()
            await self.start_process()


def uid_of_key(uid: bytes, key: str) -> bytes:
    return key_partition_key(key) + uid[8:]


async def chaos(seed: int) -> list[list[bytes]]:
    world = Chaos(seed)
    await world.start_process()
    asked = []
    for number in range(120):
        asked.append(world.ask(number))
        if world.random.random() < 0.2:
            await world.trouble()
        await asyncio.sleep(world.random.random() * 0.1)
    process = world.process
    assert process is not None
    for partition in range(PARTITIONS):  # the faults stop
        process.log.lose.pop(partition, None)
    await process.until(lambda: all(uid in world.results for uid in asked), 400)
    await asyncio.sleep(5)
    for key in OBJECTS:
        values = sorted(int(world.results[uid]) for uid, at in world.counters.items() if at == key)
        assert values == list(range(1, len(values) + 1)), key
    await process.processor.close()
    compare(world.world)
    return [world.world.topic.values[number] for number in range(PARTITIONS)]


@pytest.mark.parametrize("seed", range(25))
def test_every_call_ends_once_whatever_happens(seed: int) -> None:
    run(chaos(seed))


def test_a_seed_gives_the_same_log_again() -> None:
    assert run(chaos(99)) == run(chaos(99))
