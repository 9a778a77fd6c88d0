"""What is alive and what is owed, as metrics: exact, after a restart and after a restore too."""

from orchestrator.model.effects import SendSignal
from orchestrator.model.records import Pause, Suspended
from orchestrator.model.values import OBJECT_EXCLUSIVE, Future
from orchestrator.runtime.metrics import LIVE, OUTBOX
from orchestrator.store.memory import MemoryHome
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, World


def suspends(attempt: Attempt) -> None:
    attempt.flush(frames=b"", end=Suspended(Future((), (1, 17))))


def stays(attempt: Attempt) -> None: ...


def found(process: Process) -> dict[str, float]:
    return {status: value for (status,), value in process.processor.telemetry.numbers(LIVE).items()}


def test_invocations_by_status_survive_restarts_and_restores() -> None:
    async def story() -> None:
        world = World(2)
        scripts = {"suspends": suspends, "stays": stays}
        process = await world.led(scripts)
        for number in range(3):
            process.send(process.make(world.uid(number % 2), "suspends"))
            later = process.clock.now_ms() + 10**9
            process.send(process.make(world.uid(number % 2), "echo", start_at_ms=later))
            key = {"service": "O", "key": "k", "kind": OBJECT_EXCLUSIVE}
            process.send(process.make(world.uid(0), "stays", **key))
        await process.call(process.make(world.uid(1)))
        paused = process.make(world.uid(1), "suspends")
        process.send(paused)
        expected = {"scheduled": 3, "inboxed": 2, "invoked": 1, "suspended": 4, "paused": 0}
        await process.until(lambda: found(process) == expected)
        await process.operate(Pause(paused.id, process.clock.now_ms()))
        expected |= {"suspended": 3, "paused": 1}
        assert found(process) == expected
        await process.processor.close()
        for homes in (world.homes, [MemoryHome(), MemoryHome()]):
            world.homes = homes
            process = await world.led(scripts)
            assert found(process) == expected
            await process.processor.close()

    run(story())


def test_the_outbox_counts_what_has_not_arrived() -> None:
    async def story() -> None:
        world = World(2)
        target = world.uid(1)

        def signals(attempt: Attempt) -> None:
            effects = [SendSignal(target, number, "", -1, -1) for number in range(20, 25)]
            attempt.flush(*effects, end=Suspended(Future((), (1, 17))))

        process = await world.led({"signals": signals})
        process.log.refuse.add(1)
        process.send(process.make(world.uid(0), "signals"))
        telemetry = process.processor.telemetry
        await process.until(lambda: telemetry.value(OUTBOX) == 5)
        process.log.refuse.clear()
        await process.until(lambda: telemetry.value(OUTBOX) == 0)
        await process.processor.close()

    run(story())
