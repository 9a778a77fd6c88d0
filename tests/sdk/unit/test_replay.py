"""The replay machine by its bytes."""

import pytest

from perdure import wire
from perdure.replay import (
    Closed,
    Machine,
    Mismatch,
    ProtocolViolation,
    Slot,
    TooMuchBuffered,
    Unsupported,
)
from perdure.replay.notices import read_notice
from perdure.replay.slot import FAILURE, VALUE, VOID
from perdure.wire import codes
from perdure.wire.futures import WireFuture

ID = bytes(range(24))


def opened(*entries: bytes, version: int = 7, partial: bool = False, piece: int = 0) -> Machine:
    machine = Machine(version)
    start = wire.start_message(
        version,
        ID,
        "inv_1",
        len(entries) + 1,
        state=((b"a", b"1"),),
        partial_state=partial,
        random_seed=5,
    )
    data = start + wire.input_command((), b"in") + b"".join(entries)
    step = piece or len(data)
    for at in range(0, len(data), step):
        machine.feed(data[at : at + step])
    return machine


def written(machine: Machine) -> list[object]:
    reader = wire.FrameReader(1 << 20)
    return [wire.decode_frame(code, f) for code, _, f in reader.feed(b"".join(machine.out))]


def test_the_code_runs_once_all_stored_entries_are_there() -> None:
    machine = opened(wire.encode(wire.RunCommand(1, "a")), piece=1)
    assert machine.ready
    assert machine.replaying
    assert machine.input.value == b"in"
    machine.run(Slot(), "a")
    assert not machine.out
    assert not machine.replaying
    assert machine.out == []


def test_frames_are_those_of_the_codec() -> None:
    machine = opened(partial=True)
    for name in ("", "x", "n" * 300):
        machine.run(Slot(), name)
    for size in (0, 1, 125, 126, 200, 70_000):
        machine.set_state(b"k", b"v" * size)
        machine.propose_value(_numbered(3), b"v" * size)
        machine.get_state(Slot(), b"k")
        machine.call(Slot(), Slot(), "S", "h", b"v" * size, "key")
        machine.send(Slot(), "S", "h", b"v" * size, "", 77)
    machine.get_state(Slot(), b"unknown")
    machine.output(b"o" * 126)
    reader = wire.FrameReader(1 << 20)
    for code, flags, frame in reader.feed(b"".join(machine.out)):
        assert wire.encode(wire.decode_frame(code, frame), flags=flags) == frame


def _numbered(number: int) -> Slot:
    handle = Slot()
    handle.number = number
    return handle


@pytest.mark.parametrize("number", [1, 127, 128, 5000])
@pytest.mark.parametrize("size", [0, 1, 100, 123, 124, 125, 126, 127, 128, 200])
def test_short_notices_are_read_as_long_ones(number: int, size: int) -> None:
    value = wire.completion_value(codes.RUN_COMPLETION, number, b"v" * size)
    assert read_notice(codes.RUN_COMPLETION, value) == (number, VALUE, b"v" * size)
    void = wire.completion_void(codes.SLEEP_COMPLETION, number)
    assert read_notice(codes.SLEEP_COMPLETION, void) == (number, VOID, None)


def test_results_come_in_stored_order() -> None:
    machine = opened()
    order: list[str] = []

    class Note:
        def __init__(self, name: str) -> None:
            self.name = name

        def settled(self, handle: Slot) -> None:
            order.append(self.name)

    first, second = Slot(), Slot()
    machine.sleep(first, 1)
    machine.sleep(second, 2)
    first.wait(Note("first"))
    second.wait(Note("second"))
    machine.feed(wire.completion_void(codes.SLEEP_COMPLETION, 2))
    machine.feed(wire.completion_void(codes.SLEEP_COMPLETION, 1))
    assert order == []
    while machine.deliver():
        pass
    assert order == ["second", "first"]


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_run_is_settled_when_its_result_is_stored(version: int) -> None:
    machine = opened(version=version)
    handle = Slot()
    assert [machine.run(handle, "a")] == machine.out
    machine.propose_value(handle, b"r")
    assert not machine.deliver()
    machine.feed(
        wire.run_ack(1) if version == 7 else wire.completion_value(codes.RUN_COMPLETION, 1, b"r")
    )
    assert machine.deliver()
    assert (handle.kind, handle.raw) == (VALUE, b"r")


def test_an_acknowledgement_of_nothing_is_refused() -> None:
    machine = opened()
    machine.feed(wire.run_ack(9))
    with pytest.raises(ProtocolViolation, match="was not proposed"):
        machine.deliver()


def test_a_mismatch_shows_both_sides() -> None:
    machine = opened(wire.encode(wire.RunCommand(1, "charge")))
    with pytest.raises(Mismatch, match=r"command 1 .*Run 'charge'.*asks for Sleep") as caught:
        machine.sleep(Slot(), 5)
    assert caught.value.code == 570
    assert machine.broken is caught.value
    machine = opened(wire.encode(wire.RunCommand(1, "charge")))
    with pytest.raises(Mismatch, match="name is 'charge' in the journal and 'refund' in the code"):
        machine.run(Slot(), "refund")


def test_a_sleep_keeps_its_time_and_a_send_its_own() -> None:
    machine = opened(
        wire.encode(wire.SleepCommand(1000, 1)),
        wire.encode(wire.OneWayCallCommand("S", "h", b"", 2, invoke_time=1000)),
    )
    machine.sleep(Slot(), 2000)
    machine.send(Slot(), "S", "h", b"", invoke_time_ms=2000)
    assert machine.out == []


def test_code_that_ends_early_does_not_fit() -> None:
    machine = opened(wire.encode(wire.OutputCommand(b"r")), wire.encode(wire.RunCommand(1, "late")))
    with pytest.raises(Mismatch, match="the code has ended, the journal goes on with Run 'late'"):
        machine.output(b"r")


def test_state_is_read_as_it_was_read_before() -> None:
    machine = opened(wire.encode(wire.GetEagerStateCommand(b"a", b"old")))
    again, fresh, gone = Slot(), Slot(), Slot()
    machine.get_state(again, b"a")
    machine.get_state(fresh, b"a")
    machine.clear_all_state()
    machine.get_state(gone, b"a")
    assert (again.raw, fresh.raw, gone.kind) == (b"old", b"1", VOID)


def test_what_is_not_known_is_asked() -> None:
    machine = opened(partial=True)
    known, asked = Slot(), Slot()
    machine.get_state(known, b"a")
    machine.get_state(asked, b"b")
    assert (known.raw, asked.kind) == (b"1", 0)
    machine.feed(wire.completion_value(codes.GET_LAZY_STATE_COMPLETION, 2, b"2"))
    machine.deliver()
    assert asked.raw == b"2"


def test_early_signals_wait_for_those_who_ask() -> None:
    machine = opened(
        wire.signal_notification("go", value=b"1"),
        wire.signal_notification("go", value=b"2"),
        wire.signal_notification(17, value=b"3"),
    )
    while machine.deliver():
        pass
    handles = [Slot(), Slot(), Slot()]
    machine.signal(handles[0], "go")
    machine.signal(handles[1], "go")
    machine.awakeable(handles[2])
    assert [handle.raw for handle in handles] == [b"1", b"2", b"3"]


def test_a_cancellation_is_passed_on_to_calls_without_result() -> None:
    machine = opened()
    calls = [(Slot(), Slot()) for _ in range(3)]
    for invocation_id, result in calls:
        machine.call(invocation_id, result, "S", "h", b"")
    machine.feed(wire.completion_invocation_id(1, "inv_a"))
    machine.feed(wire.completion_value(codes.CALL_COMPLETION, 2, b"done"))
    machine.feed(wire.completion_invocation_id(3, "inv_b"))
    machine.feed(wire.signal_notification(codes.CANCEL_SIGNAL))
    while machine.deliver():
        pass
    assert machine.cancelled
    assert machine.unknown_children() == [calls[2][0]]
    machine.feed(wire.completion_invocation_id(5, "inv_c"))
    machine.deliver()
    machine.out.clear()
    machine.cancel_children()
    signals = written(machine)
    assert [s.target_invocation_id for s in signals] == ["inv_b", "inv_c"]  # type: ignore[attr-defined]
    assert not machine.cancelled


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_suspension_says_what_is_awaited(version: int) -> None:
    machine = opened(version=version)
    awaited = WireFuture(codes.FIRST_COMPLETED, [1], [1], ["go"])
    machine.suspend(awaited)
    (suspension,) = written(machine)
    flat = suspension.awaiting_on  # type: ignore[attr-defined]
    assert (flat.completions, flat.signals, flat.named_signals) == ([1], [1], ["go"])
    with pytest.raises(Closed):
        machine.run(Slot(), "a")


def test_what_must_not_come_is_refused() -> None:
    for data in (
        wire.input_command((), b""),
        wire.start_message(7, ID, "inv_1", 0, partial_state=False),
        wire.encode(wire.End()),
        wire.start_message(7, ID, "i", 1, partial_state=False)
        + wire.encode(wire.SleepCommand(1, 1)),
    ):
        with pytest.raises(ProtocolViolation):
            Machine(7).feed(data)
    machine = opened()
    with pytest.raises(ProtocolViolation, match="after the stored entries"):
        machine.feed(wire.encode(wire.SleepCommand(1, 1)))
    with pytest.raises(ProtocolViolation, match="before all entries"):
        Machine(7).end_input()


def test_what_is_kept_has_a_limit() -> None:
    machine = opened()
    machine._buffer_bytes_max = 5000
    value = wire.signal_notification("s", value=b"v" * 1000)
    with pytest.raises(TooMuchBuffered):
        for _ in range(10):
            machine.feed(value)
    machine = opened()
    machine._buffer_bytes_max = 5000
    handle = Slot()
    for _ in range(100):  # what is taken counts no more
        machine.signal(handle, "s")
        machine.feed(value)
        machine.deliver()


def test_scopes_need_version_7() -> None:
    with pytest.raises(Unsupported):
        opened(version=6).call(Slot(), Slot(), "S", "h", b"", scope="s")


def test_failures_come_through() -> None:
    machine = opened()
    handle = Slot()
    machine.get_promise(handle, "p")
    failure = wire.WireFailure(409, "no", (("k", "v"),))
    machine.feed(wire.completion_failure(codes.GET_PROMISE_COMPLETION, 1, failure))
    machine.deliver()
    assert (handle.kind, handle.raw) == (FAILURE, failure)
