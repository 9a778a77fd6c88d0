"""A process to be killed: counters on the embedded log and RocksDB, requests from standard input.

Each line in is `<id> <key>`; each line out is `<id> <value>`, once the result is known.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.model.effects import SetOutput, SetState
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import Ended
from orchestrator.model.values import OBJECT_EXCLUSIVE
from orchestrator.processor.loop import Processor
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.port import Reply, Result, Unavailable
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.entropy import SystemEntropy
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.store.rocks import RocksMemory
from orchestrator.store.rocks_home import RocksHome
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.processor.world import Attempt, ScriptedInvoker

PARTITIONS = 2
OPTIONS = ProcessorOptions(
    spill_rows=40, spill_s=0.02, flush_records=150, checkpoint_records=400, cleanup_s=0.5
)


def increment(attempt: Attempt) -> None:
    """One more, in a step of its own, then the end: two records."""
    state, _ = attempt.source.state_of(attempt.input.invoke.id, 1_000)
    value = b"%d" % (int(dict(state).get(b"n", b"0")) + 1)
    if attempt.input.entries == 1:
        attempt.flush(SetState(b"n", 8, 8 + len(value)), frames=frame(codes.SET_STATE, value))
    else:  # it was set by an attempt that did not live to say so
        value = dict(state)[b"n"]
    raw = frame(codes.OUTPUT, value)
    end = partial(attempt.flush, SetOutput(8, 8 + len(value)), frames=raw, end=Ended())
    asyncio.get_running_loop().call_later(0.002, end)  # with a turn of its own


class Child:
    """Sends what it is asked to, again if its fate was not known."""

    def __init__(self, processor: Processor, clock: SystemClock) -> None:
        self.processor = processor
        self.clock = clock

    def send(self, identity: str, key: str) -> None:
        invoke = Invoke(
            bytes.fromhex(identity),
            "Counter",
            "add",
            key,
            OBJECT_EXCLUSIVE,
            b"",
            (),
            self.clock.now_ms(),
            600_000,
            0,
        )

        def on_reply(reply: Reply) -> None:
            if isinstance(reply, Result):
                assert isinstance(reply.outcome, bytes)
                print(identity, reply.outcome.decode(), flush=True)
            elif isinstance(reply, Unavailable):
                asyncio.get_running_loop().call_later(0.05, self.send, identity, key)

        self.processor.engine.invoke(invoke, True, on_reply)


async def main(directory: Path) -> None:
    log = EmbeddedLog(EmbeddedOptions(directory / "log", partitions=PARTITIONS))
    await log.open()
    clock, memory = SystemClock(), RocksMemory()
    invoker = ScriptedInvoker(clock.now_ms, {"add": increment})
    processor = Processor(
        log,
        lambda number: RocksHome(directory / str(number), memory),
        invoker,
        clock,
        SystemEntropy(),
        LoopScheduler(),
        OPTIONS,
    )
    processor.start()
    child = Child(processor, clock)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        child.send(*line.split())
    await processor.close()
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
