"""A process around a processor: a memory log that can fail, scripted services, clients."""

import asyncio
from collections.abc import Callable, Iterator

from orchestrator.codec.records import decode_message
from orchestrator.invoker.port import AttemptInput, AttemptView, LedPartition
from orchestrator.log.memory import MemoryLog, MemoryTopic
from orchestrator.log.port import (
    AppendError,
    Batch,
    Deliver,
    Done,
    Health,
    OffsetOutOfRange,
    Rest,
    no_rest,
)
from orchestrator.model.answers import Answer
from orchestrator.model.effects import AnyEffect, SetOutput
from orchestrator.model.ids import placed_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import AnyRecord, Ended, Failed, Journal, Pin, Suspended
from orchestrator.model.values import SERVICE
from orchestrator.processor.loop import Processor
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.port import Operation, Reply, Unavailable
from orchestrator.runtime.entropy import SeededEntropy
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.store.memory import MemoryHome
from perdure.wire import codes
from perdure.wire.frames import count, frame
from tests.unit.processor.virtual_loop import VirtualClock

DAY_MS = 86_400_000
PIN = Pin("dp_1", 6)


class FaultyLog(MemoryLog):
    """Appends may be refused, held back, or lost with or without having landed."""

    def __init__(self, topic: MemoryTopic, partition_count: int) -> None:
        super().__init__(partition_count, topic=topic)
        self.refuse: set[int] = set()
        self.lose: dict[int, bool] = {}  # partition -> whether it lands all the same
        self.held: dict[int, list[Callable[[], None]] | None] = {}
        self.broken: set[int] = set()  # until a restart
        self.ack_delay_s = 0.0
        self.read_delay_s = 0.0
        self.on_read: Callable[[], object] = lambda: None
        self._last_ack_s: dict[int, float] = {}
        self.appends: list[dict[int, int]] = []  # messages by partition, by append
        self.unwritable = ""
        self.is_deaf = False  # those who follow hear nothing: it takes its time

    def notify_followers(self, partition: int, first: int, values: list[bytes]) -> None:
        if not self.is_deaf:
            super().notify_followers(partition, first, values)

    def end_followers(self, partition: int, why: OffsetOutOfRange) -> None:
        if not self.is_deaf:
            super().end_followers(partition, why)

    def append(self, batch: Batch, done: Done) -> None:
        self.appends.append({number: len(messages) for number, messages in batch})
        for number, messages in batch:
            self._append_one(number, list(messages), done)

    def _append_one(self, number: int, messages: list[bytes], done: Done) -> None:
        soon = asyncio.get_running_loop().call_soon
        if number in self.refuse or number in self.broken:
            error = AppendError("the log is full", refused=True)
            soon(done, number, -1, len(messages), error)
        elif number in self.lose:
            if self.lose.pop(number):
                self.topic.values[number].extend(messages)
            self.broken.add(number)
            soon(done, number, -1, len(messages), AppendError("no answer", refused=False))
        elif self.held.get(number) is not None:
            parked = self.held[number]
            assert parked is not None
            parked.append(lambda: super(FaultyLog, self).append([(number, messages)], done))
        else:
            super().append([(number, messages)], self._delayed(done))

    def _delayed(self, done: Done) -> Done:
        """Acknowledgements come late, in order, while what was appended can be read already."""
        loop = asyncio.get_running_loop()

        def late(number: int, first: int, count: int, error: AppendError | None) -> None:
            at_s = max(loop.time() + self.ack_delay_s, self._last_ack_s.get(number, 0.0))
            if at_s <= loop.time():
                done(number, first, count, error)
            else:
                self._last_ack_s[number] = at_s + 1e-6
                loop.call_at(at_s, done, number, first, count, error)

        return late if self.ack_delay_s or self._last_ack_s else done

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        self.on_read()
        if self.read_delay_s:
            await asyncio.sleep(self.read_delay_s)
        return await super().read(partition, offset, deliver, rest)

    def hold(self, number: int) -> None:
        self.held[number] = []

    def let_go(self, number: int) -> None:
        parked = self.held.pop(number)
        for go in parked or []:
            go()

    def restart(self, partition: int) -> None:
        self.broken.discard(partition)

    def health(self) -> Health:
        if self.unwritable:
            return Health(writable=False, reason=self.unwritable)
        return super().health()

    def by_message(self, number: int) -> list[list[AnyRecord]]:
        return [decode_message(value) for value in self.topic.values[number]]

    def records(self, number: int) -> list[AnyRecord]:
        return [record for part in self.by_message(number) for record in part]


Script = Callable[["Attempt"], None]


class Attempt:
    """One running attempt of a scripted service."""

    def __init__(self, source: LedPartition, given: AttemptInput, now_ms: int) -> None:
        self.source = source
        self.input = given
        self.now_ms = now_ms
        self.notified: list[tuple[int, bytes]] = []

    def flush(
        self,
        *effects: AnyEffect,
        frames: bytes | None = None,
        end: Ended | Suspended | Failed | None = None,
    ) -> None:
        raw = b"".join(frame(codes.RUN, b"") for _ in effects) if frames is None else frames
        entries, commands = count(raw)
        given = self.input
        self.source.propose(
            Journal(
                given.epoch,
                given.invoke.id,
                given.incarnation,
                given.attempt,
                self.now_ms,
                PIN,
                raw,
                entries,
                commands,
                effects,
                end,
            )
        )

    def finish(self, result: bytes) -> None:
        raw = frame(codes.OUTPUT, result)
        self.flush(SetOutput(8, 8 + len(result)), frames=raw, end=Ended())


def echo(attempt: Attempt) -> None:
    """The service most tests need."""
    attempt.finish(b"echo:" + attempt.input.invoke.body)


class ScriptedInvoker:
    """The `InvokerPort`: every attempt is given to a script, by handler."""

    def __init__(self, now_ms: Callable[[], int], scripts: dict[str, Script]) -> None:
        self.now_ms = now_ms
        self.scripts = scripts
        self.running: dict[tuple[bytes, int], Attempt] = {}
        self.starts: list[tuple[bytes, int]] = []  # (id, attempt number)
        self.stops: list[tuple[bytes, bool]] = []
        self.forgotten = 0
        self.held_back: list[tuple[LedPartition, bool]] = []

    def hold_back(self, source: LedPartition, held_back: bool) -> None:
        self.held_back.append((source, held_back))

    @property
    def running_count(self) -> int:
        return len(self.running)

    def start(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> None:
        asyncio.get_running_loop().call_soon(self._start, source, invocation_id, incarnation)

    def _start(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> None:
        given = source.attempt_input(invocation_id, incarnation)
        if given is None:
            return
        source.begins(invocation_id, given.attempt)
        self.starts.append((invocation_id, given.attempt))
        attempt = Attempt(source, given, self.now_ms())
        self.running[invocation_id, incarnation] = attempt
        self.scripts.get(given.invoke.handler, echo)(attempt)

    def notify(
        self, invocation_id: bytes, incarnation: int, index: int, frame: bytes, completion_id: int
    ) -> None:
        attempt = self.running.get((invocation_id, incarnation))
        if attempt is not None and index >= attempt.input.entries:
            attempt.notified.append((index, frame))

    def acknowledge(self, invocation_id: bytes, incarnation: int, command_index: int) -> None:
        pass

    def stop(self, invocation_id: bytes, incarnation: int, abort: bool) -> None:
        self.stops.append((invocation_id, abort))
        self.running.pop((invocation_id, incarnation), None)

    def forget(self, source: LedPartition) -> None:
        self.forgotten += 1
        gone = [key for key, attempt in self.running.items() if attempt.source is source]
        for key in gone:
            del self.running[key]

    def views(self) -> list[AttemptView]:
        return []


class World:
    """Outlives its processes: the topic and the stores."""

    def __init__(self, partition_count: int = 2, seed: int = 1) -> None:
        self.partition_count = partition_count
        self.topic = MemoryTopic(partition_count)
        self.homes = [MemoryHome() for _ in range(partition_count)]
        self.seed = seed
        self.numbers: Iterator[int] = iter(range(1, 1_000_000))

    def uid(self, partition: int = 0) -> bytes:
        """A new id that lives in a partition."""
        number = next(self.numbers)
        return placed_key(partition, self.partition_count, number) + number.to_bytes(16, "big")

    async def process(
        self, scripts: dict[str, Script] | None = None, **options: object
    ) -> "Process":
        process = Process(self, scripts or {}, options)
        await process.log.open()
        process.processor.start()
        return process

    async def led(self, scripts: dict[str, Script] | None = None, **options: object) -> "Process":
        process = await self.process(scripts, **options)
        await process.until(lambda: len(process.processor.leading()) == self.partition_count)
        return process


class Process:
    """One process of the world."""

    def __init__(
        self, world: World, scripts: dict[str, Script], options: dict[str, object]
    ) -> None:
        world.seed += 1
        self.world = world
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.log = FaultyLog(world.topic, world.partition_count)
        self.invoker = ScriptedInvoker(self.clock.now_ms, scripts)
        self.processor = Processor(
            self.log,
            world.homes.__getitem__,
            self.invoker,
            self.clock,
            SeededEntropy(world.seed),
            LoopScheduler(),
            ProcessorOptions(**options),  # type: ignore[arg-type]
        )

    async def until(self, is_so: Callable[[], bool], wait_s: float = 60.0) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while not is_so():
            assert loop.time() < until_s, "it did not come about"
            await asyncio.sleep(0.001)

    def make(self, invocation_id: bytes, handler: str = "echo", **fields: object) -> Invoke:
        given: dict[str, object] = {"service": "S", "key": "", "kind": SERVICE, "body": b"in"}
        given.update(fields)
        return Invoke(
            id=invocation_id,
            handler=handler,
            headers=(),
            created_at_ms=self.clock.now_ms(),
            completion_retention_ms=DAY_MS,
            journal_retention_ms=DAY_MS,
            **given,  # type: ignore[arg-type]
        )

    def send(self, invoke: Invoke, wait: bool = True) -> list[Reply]:
        """The replies so far: they go on coming."""
        replies: list[Reply] = []
        self.processor.engine.invoke(invoke, wait, replies.append)
        return replies

    async def call(self, invoke: Invoke) -> list[Reply]:
        """Both replies, or the refusal."""
        replies = self.send(invoke)
        await self.until(
            lambda: len(replies) == 2 or any(isinstance(r, Unavailable) for r in replies)
        )
        return replies

    async def operate(self, operation: Operation) -> Answer | Unavailable:
        answers: list[Answer | Unavailable] = []
        self.processor.engine.operate(operation, answers.append)
        await self.until(lambda: bool(answers))
        return answers[0]
