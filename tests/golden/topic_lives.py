"""Lives of records of topics, in and out."""

from msgspec.structs import replace

from orchestrator.model.ids import consumed_id, partition_of
from orchestrator.model.invoke import Invoke
from orchestrator.model.lanes import MINTED_FIRST
from orchestrator.model.records import OutboxAdvanced, Suspended
from orchestrator.model.topic_records import OutboxRefused, Produced, RedriveDeadLetter
from orchestrator.model.topics import NO_TOPIC, ProduceRequest, Source
from orchestrator.model.values import Caller, Future
from tests.golden.lives import A, B, call_of
from tests.golden.trace import Trace
from tests.unit.machine.bench import Bench
from tests.unit.machine.topic_records import intake, opened, request, source_at, taken, unusable

TWO = 2  # partitions of a life that crosses


def key_at(partition: int, count: int, source: Source) -> str:
    """A record key that belongs to this partition."""
    keys = (f"k{n}" for n in range(100))
    return next(k for k in keys if partition_of(consumed_id(source, 0, 0, k), count) == partition)


def topic_to_object_to_reply(trace: Trace, bench: Bench) -> None:
    here, there = trace.benches
    source = source_at(0, TWO)
    invoke = taken(here, source, 7, key_at(1, TWO, source))
    trace.names[invoke.id] = "REC"
    here.do(opened(here, source, start=5))
    trace.note("offsets 5 and 6 are a gap")
    here.do(intake(here, source, 5, invoke, upto=8))
    trace.note("read twice: dropped")
    here.do(intake(here, source, 5, invoke, upto=8))
    trace.transfer(0, 1)
    here.do(OutboxAdvanced(here.epoch, ((1, 1),)))
    there.finish(invoke.id)
    trace.transfer(1, 0)
    trace.note("the reply is committed, and the row of the other lane is trimmed")
    there.do(Produced(there.epoch, there.now_ms, MINTED_FIRST, 1))
    there.do(OutboxAdvanced(there.epoch, ((0, 1),)))


def send_as_call_and_one_way(trace: Trace, bench: Bench) -> None:
    bench.invoke(A)
    live = bench.live(A)
    assert live is not None
    caller = Caller(A, live.incarnation, 1)
    call, one_way = call_of(B, caller, 1), call_of(b"C" * 24, None, 0, completion_id=3)
    call = replace(call, invoke=_kafka(call.invoke, request(True)))
    one_way = replace(one_way, invoke=_kafka(one_way.invoke, request(False)))
    bench.flush(A, call, one_way, end=Suspended(Future((1,), (1,)), 4))
    trace.note("what a new leader owes")
    trace.recovered()
    bench.do(Produced(bench.epoch, bench.now_ms, MINTED_FIRST, 2, ((1, 0, 41),)))
    bench.finish(A)


def _kafka(invoke: Invoke, request: ProduceRequest) -> Invoke:
    return replace(invoke, service="Kafka", handler="send", produce=request)


def dead_letters_and_a_redrive(trace: Trace, bench: Bench) -> None:
    source = source_at(0, 1)
    bench.do(opened(bench, source))
    good = taken(bench, source, 1, None)
    trace.names[good.id] = "GOOD"
    bench.do(intake(bench, source, 0, unusable(bench, source, 0), good))
    trace.note("done again, with a key that a person gave it")
    again = replace(taken(bench, source, 0, "k"), id=A, origin=None)
    (key,) = (key for key, _ in bench.state.letters.scan())
    for _ in range(2):
        bench.do(RedriveDeadLetter(key, bench.now_ms, again))
    trace.note("a reply that can never be sent is set aside, too")
    bench.finish(good.id)
    refused = OutboxRefused(bench.epoch, bench.now_ms, MINTED_FIRST, 1, NO_TOPIC, "no such topic")
    bench.do(refused)


def replay_as_a_new_generation(trace: Trace, bench: Bench) -> None:
    source = source_at(0, 1)
    first, second = taken(bench, source, 0, None), taken(bench, source, 0, None, generation=1)
    trace.names |= {first.id: "OLD", second.id: "NEW"}
    bench.do(opened(bench, source))
    bench.do(intake(bench, source, 0, first, upto=3))
    trace.note("a new leader opens it again: it stays where it is")
    bench.do(opened(bench, source))
    bench.do(opened(bench, source, 1))
    trace.note("of the old generation nothing is taken any more, and no slot is given back")
    bench.do(intake(bench, source, 3, upto=4))
    bench.finish(first.id)
    bench.do(intake(bench, source, 0, second, generation=1))
    trace.recovered()
    bench.finish(second.id)


TOPIC_LIVES = {
    "topic_to_object_to_reply": (topic_to_object_to_reply, TWO),
    "send_as_call_and_one_way": (send_as_call_and_one_way, 1),
    "dead_letters_and_a_redrive": (dead_letters_and_a_redrive, 1),
    "replay_as_a_new_generation": (replay_as_a_new_generation, 1),
}
