"""A fan-out costs the same per call, however wide it is."""

from time import process_time

from perdure import wire
from perdure.wire import encode
from tests.unit.invoker.scripted import Script, Served
from tests.unit.invoker.worlds import run, scripted


def _spread(count: int) -> Script:
    async def script(served: Served) -> None:
        await served.start()
        served.respond()
        if served.headers[":path"].endswith("/other"):
            await served.finish()
            return
        for number in range(count):
            ids = {
                "invocation_id_notification_idx": 2 * number + 1,
                "result_completion_id": 2 * number + 2,
            }
            served.send(encode(wire.CallCommand("Svc", "other", b"x", **ids)))
        results = 0
        while results < count:
            found = await served.message()
            results += isinstance(found, wire.Notification) and found.value is not None
        await served.finish()

    return script


def _cost_s(count: int) -> float:
    """CPU of a call, with the service's own."""
    spent_s = 0.0

    async def test() -> None:
        nonlocal spent_s
        async with scripted(_spread(count)) as (partition, _):
            partition.keep_journals = False
            begun_s = process_time()
            assert await partition.call("Svc", "run") == b"out"
            spent_s = process_time() - begun_s

    run(test)
    return spent_s / count


def test_a_call_of_a_wide_fan_out_costs_as_much_as_one_of_a_narrow_one() -> None:
    assert min(_cost_s(2_000) for _ in range(2)) < 1.8 * min(_cost_s(250) for _ in range(3))
