"""What the operations of programs do, on the emulated SDK."""

import json
from collections.abc import Callable, Generator
from typing import Any

from perdure import wire
from perdure.wire import codes
from perdure.wire.ids import parse_invocation_id
from tests.simulation.service import CANCEL, Attempt, Course, Retry, Terminal, Wait

LOG = b"log"
CANCELED = wire.WireFailure(409, "canceled")
Op = Callable[[Attempt, list[Any], str], Generator[Wait, wire.Notification, None]]


class Flaky:
    """How often a place of a program has failed: what a service remembers outside its journal."""

    def __init__(self) -> None:
        self._failed: dict[tuple[object, ...], int] = {}

    def should_fail(self, times: int, *place: object) -> bool:
        failed = self._failed.get(place, 0)
        self._failed[place] = failed + 1
        return failed < times


def make(flaky: Flaky) -> Callable[[Attempt, list[list[Any]], str], Course]:
    """The interpreter of programs."""

    def program(a: Attempt, ops: list[list[Any]], token: str) -> Course:
        for number, op in enumerate(ops):
            where = f"{token}.{number}"
            if op[0] == "run":
                yield from _run(a, op, where, flaky)
            elif op[0] == "idle":
                yield from _idle(a, op, where, flaky)
            else:
                yield from OPS[op[0]](a, op, where)

    return program


def wait(a: Attempt, *keys: Any) -> Course:
    """The first of what is waited for; a cancellation ends the invocation."""
    found = yield [*keys, CANCEL]
    if found.signal == codes.CANCEL_SIGNAL:
        raise Terminal(CANCELED)
    return found


def _run(a: Attempt, op: list[Any], where: str, flaky: Flaky) -> Course:
    completion_id = a.completion_id()
    a.command(wire.RunCommand(completion_id, where))
    if not a.has(("c", completion_id)) and not a.is_replaying:
        # One that was replaced may do once more what its successor knows the result of.
        a.oracle.run_executed(a.life, completion_id, a.is_stale())
        if flaky.should_fail(op[1], a.life, where):
            raise Retry(f"{where} fails")
        times = a.oracle.executed[(*a.life, completion_id)]
        a.propose(completion_id, f"{where}#{times}".encode() + b"." * op[2])
    result = yield from wait(a, ("c", completion_id))
    a.oracle.run_known(a.life, completion_id, result.value or b"")


def _idle(a: Attempt, op: list[Any], where: str, flaky: Flaky) -> Course:
    """Some attempts suspend on what nobody will complete."""
    yield from _sleep(a, ["sleep", 0], where)
    before = a.is_idle
    a.is_idle = lambda: flaky.should_fail(op[1], a.life, where)
    yield from _sleep(a, ["sleep", 700], where)
    a.is_idle = before


def _read(a: Attempt, key: bytes) -> Course:
    """State, from what came along or by asking."""
    lazy = a.is_next(wire.GetLazyStateCommand)
    if lazy is None:
        lazy = key not in a.state and a.start.partial_state
    if not lazy:
        value = a.state.get(key)
        found = a.command(wire.GetEagerStateCommand(key, value, void=value is None))
        return found.value
    completion_id = a.completion_id()
    a.command(wire.GetLazyStateCommand(key, completion_id))
    found = yield from wait(a, ("c", completion_id))
    return found.value


def _put(a: Attempt, op: list[Any], where: str) -> Course:
    before = yield from _read(a, LOG)
    value = json.dumps([*json.loads(before or b"[]"), where]).encode()
    a.command(wire.SetStateCommand(LOG, value))
    a.state[LOG] = value


def _get(a: Attempt, op: list[Any], where: str) -> Course:
    yield from _read(a, LOG)


def _pad(a: Attempt, op: list[Any], where: str) -> Course:
    key, value = op[1].encode(), b"." * op[2]
    a.command(wire.SetStateCommand(key, value))
    a.state[key] = value
    yield from ()


def _clear(a: Attempt, op: list[Any], where: str) -> Course:
    a.command(wire.ClearStateCommand(op[1].encode()))
    a.state.pop(op[1].encode(), None)
    yield from ()


def _clear_all(a: Attempt, op: list[Any], where: str) -> Course:
    a.command(wire.ClearAllStateCommand())
    a.state.clear()
    a.start.partial_state = False
    yield from ()


def _keys(a: Attempt, op: list[Any], where: str) -> Course:
    completion_id = a.completion_id()
    a.command(wire.GetLazyStateKeysCommand(completion_id))
    yield from wait(a, ("c", completion_id))


def _sleep(a: Attempt, op: list[Any], where: str) -> Course:
    completion_id = a.completion_id()
    due_ms = a.command(wire.SleepCommand(a.in_ms(op[1]), completion_id)).wake_up_time
    yield from wait(a, ("c", completion_id))
    if a.now_ms() + a.turned_back_ms() < due_ms:
        a.oracle.broken("timers", f"{where} woke {due_ms - a.now_ms()} ms early")


def _ask(a: Attempt, target: list[Any]) -> tuple[int, int]:
    service, handler, key, program = target
    id_completion, completion_id = a.completion_id(), a.completion_id()
    body = json.dumps(program).encode()
    a.command(wire.CallCommand(service, handler, body, id_completion, completion_id, key=key))
    return id_completion, completion_id


def _call(a: Attempt, op: list[Any], where: str) -> Course:
    _, completion_id = _ask(a, op[1:5])
    result = yield from wait(a, ("c", completion_id))
    _check_result(a, op[4], result)


def _check_result(a: Attempt, program: dict[str, Any], result: wire.Notification) -> None:
    failure = None if result.failure is None else result.failure.message
    a.oracle.results.append((program["token"], failure))
    if result.failure is None and json.loads(result.value or b"0") != program["token"]:
        a.oracle.broken("results", f"{program['token']} gave {result.value!r}")


def _forget(a: Attempt, op: list[Any], where: str) -> Course:
    """Call, and end without the result."""
    _ask(a, op[1:5])
    yield from ()


def _ping(a: Attempt, op: list[Any], where: str) -> Course:
    """Signals to what was sent: each comes once, in order."""
    target = yield from _sent_id(a, op)
    for number in range(2):
        a.command(wire.SendSignalCommand(target, "ping", value=b"%d" % number))


def _pong(a: Attempt, op: list[Any], where: str) -> Course:
    if a.life[0] not in a.oracle.pongs:
        a.oracle.pongs.append(a.life[0])
    found = yield from wait(a, ("n", "ping"))
    if found.value != b"late":
        if a.pings and found.value <= a.pings[-1]:
            a.oracle.broken("outbox", f"{where} was told {found.value!r} after {a.pings}")
        a.pings.append(found.value)


def _calls(a: Attempt, op: list[Any], where: str) -> Course:
    asked = [(_ask(a, target)[1], target[3]) for target in op[1]]
    for completion_id, program in asked:
        result = yield from wait(a, ("c", completion_id))
        _check_result(a, program, result)


def _tell(a: Attempt, target: list[Any], delay_ms: int) -> int:
    service, handler, key, program = target
    id_completion = a.completion_id()
    at_ms = a.in_ms(delay_ms) if delay_ms else 0
    body = json.dumps(program).encode()
    a.command(wire.OneWayCallCommand(service, handler, body, id_completion, at_ms, key))
    return id_completion


def _send(a: Attempt, op: list[Any], where: str) -> Course:
    _tell(a, op[1:5], op[5])
    yield from ()


def _attach(a: Attempt, op: list[Any], where: str) -> Course:
    target = yield from _sent_id(a, op)
    completion_id = a.completion_id()
    a.command(wire.AttachInvocationCommand(target, completion_id))
    result = yield from wait(a, ("c", completion_id))
    if result.failure is not None and result.failure.code == 404:
        if not a.oracle.has_jumped_far:  # kept for a time of the wall clock
            a.oracle.broken("results", f"{where} does not find what it sent")
        return
    _check_result(a, op[4], result)


def _output(a: Attempt, op: list[Any], where: str) -> Course:
    target = yield from _sent_id(a, op)
    completion_id = a.completion_id()
    a.command(wire.GetInvocationOutputCommand(target, completion_id))
    result = yield from wait(a, ("c", completion_id))
    if result.value is not None:
        _check_result(a, op[4], result)


def _cancel_child(a: Attempt, op: list[Any], where: str) -> Course:
    target = yield from _sent_id(a, op)
    a.oracle.touched("Cancel", parse_invocation_id(target))
    a.command(wire.SendSignalCommand(target, codes.CANCEL_SIGNAL, void=True))


def _sent_id(a: Attempt, op: list[Any]) -> Course:
    id_completion = _tell(a, op[1:5], 0)
    found = yield from wait(a, ("c", id_completion))
    return found.invocation_id


def _awakeable(a: Attempt, op: list[Any], where: str) -> Course:
    number = _new_awakeable(a)
    yield from wait(a, ("s", number))


def _new_awakeable(a: Attempt) -> int:
    a.next_signal += 1
    number = a.next_signal - 1
    if (a.life[0], number) not in a.oracle.awakeables:
        a.oracle.awakeables.append((a.life[0], number))
    return number


def _race(a: Attempt, op: list[Any], where: str) -> Course:
    number, completion_id = _new_awakeable(a), a.completion_id()
    a.command(wire.SleepCommand(a.in_ms(op[1]), completion_id))
    found = yield from wait(a, ("s", number), ("c", completion_id))
    # What won decides which command comes next.
    name = "slept" if found.completion_id else "woken"
    run_id = a.completion_id()
    a.command(wire.RunCommand(run_id, f"{where} {name}"))
    if not a.has(("c", run_id)) and not a.is_replaying:
        a.propose(run_id, name.encode())
    yield from wait(a, ("c", run_id))


def _gather(a: Attempt, op: list[Any], where: str) -> Course:
    """Several sleeps at once, all awaited."""
    sleeps = []
    for delay_ms in (50, 5, 120):
        sleeps.append(a.completion_id())
        a.command(wire.SleepCommand(a.in_ms(delay_ms), sleeps[-1]))
    for completion_id in sleeps:
        yield from wait(a, ("c", completion_id))


def _named(a: Attempt, op: list[Any], where: str) -> Course:
    name = f"{op[1]}-{where}"
    if (a.life[0], name) not in a.oracle.named:
        a.oracle.named.append((a.life[0], name))
    yield from wait(a, ("n", name))


def _promise(a: Attempt, op: list[Any], where: str) -> Course:
    completion_id = a.completion_id()
    a.command(wire.GetPromiseCommand(op[1], completion_id))
    yield from wait(a, ("c", completion_id))


def _glance(a: Attempt, op: list[Any], where: str) -> Course:
    yield from ()
    a.command(wire.GetPromiseCommand(op[1], a.completion_id()))


def _peek(a: Attempt, op: list[Any], where: str) -> Course:
    completion_id = a.completion_id()
    a.command(wire.PeekPromiseCommand(op[1], completion_id))
    yield from wait(a, ("c", completion_id))


def _resolve(a: Attempt, op: list[Any], where: str) -> Course:
    completion_id = a.completion_id()
    a.command(wire.CompletePromiseCommand(op[1], completion_id, value=where.encode()))
    yield from wait(a, ("c", completion_id))


def _terminal(a: Attempt, op: list[Any], where: str) -> Course:
    yield from ()
    raise Terminal(wire.WireFailure(418, where))


OPS: dict[str, Op] = {
    "put": _put,
    "get": _get,
    "pad": _pad,
    "clear": _clear,
    "clear_all": _clear_all,
    "keys": _keys,
    "sleep": _sleep,
    "call": _call,
    "calls": _calls,
    "forget": _forget,
    "ping": _ping,
    "pong": _pong,
    "send": _send,
    "attach": _attach,
    "output": _output,
    "cancel_child": _cancel_child,
    "awakeable": _awakeable,
    "race": _race,
    "gather": _gather,
    "named": _named,
    "promise": _promise,
    "glance": _glance,
    "peek": _peek,
    "resolve": _resolve,
    "terminal": _terminal,
}
