"""Handlers of the light service, one for each thing there may be much of."""

import json
from collections.abc import Generator
from typing import Any

from perdure import wire
from tests.scale.light_attempt import Attempt, Handler

Body = Generator[None, None, bytes]

AWAKEABLE = 17  # the signal of the first awakeable of an invocation


def nap(it: Attempt) -> Body:
    """Sleep until a time, suspended."""
    it.command(wire.SleepCommand(int(it.value), 1))
    it.suspend_until(1)
    return b""
    yield


def gate(it: Attempt) -> Body:
    """Wait for the promise, suspended."""
    it.command(wire.GetPromiseCommand("gate", 1))
    it.suspend_until(1)
    return b""
    yield


def open_gate(it: Attempt) -> Body:
    it.command(wire.CompletePromiseCommand("gate", 1, value=b"1"))
    yield from it.until(1)
    return b""


def hold(it: Attempt) -> Body:
    """Keep the key until the awakeable is resolved."""
    if AWAKEABLE not in it.signals:
        it.suspend(wire.WireFuture(signals=[AWAKEABLE]))
    return b""
    yield


def add(it: Attempt) -> Body:
    return b"1"
    yield


def fill(it: Attempt) -> Body:
    """Set so many keys of the state."""
    for number in range(int(it.value)):
        it.command(wire.SetStateCommand(b"key-%06d" % number, b"a value of some bytes"))
    return b""
    yield


def count(it: Attempt) -> Body:
    """How many keys the state has."""
    it.command(wire.GetLazyStateKeysCommand(1))
    yield from it.until(1)
    return b"%d" % len(it.results[1].state_keys or ())


def clear(it: Attempt) -> Body:
    it.command(wire.ClearAllStateCommand())
    return b""
    yield


def walk(it: Attempt) -> Body:
    """So many steps, each durable before the next; then the whole journal is replayed once."""
    last = int(it.value)
    for number in range(1, last + 1):
        if it.command(wire.RunCommand(number)):
            it.say(wire.ProposeRunCompletion(number, value=b"done"))
        yield from it.until(number)
    it.command(wire.SleepCommand(1, last + 1))
    it.suspend_until(last + 1)
    return b"%d" % last


def spread(it: Attempt) -> Body:
    """Call so many at once and wait for all."""
    ids = [2 * number for number in range(1, int(it.value) + 1)]
    for number in ids:
        it.command(wire.CallCommand("Light", "add", b"1", number - 1, number))
    yield from it.until(*ids)
    return b"%d" % len(ids)


def hang(it: Attempt) -> Body:
    """Never answer."""
    while True:
        yield


HANDLERS: dict[str, Handler] = {
    "Light/add": add,
    "Light/nap": nap,
    "Light/walk": walk,
    "Light/spread": spread,
    "Light/hang": hang,
    "Flow/run": gate,
    "Flow/wait": gate,
    "Flow/open": open_gate,
    "Queue/hold": hold,
    "Queue/add": add,
    "Store/fill": fill,
    "Store/count": count,
    "Store/clear": clear,
    "Other/add": add,
}
_TYPES = {
    "Light": "SERVICE",
    "Flow": "WORKFLOW",
    "Queue": "VIRTUAL_OBJECT",
    "Store": "VIRTUAL_OBJECT",
    "Other": "SERVICE",
}


def manifest(services: list[str]) -> bytes:
    """The manifest of a process that serves these."""
    handlers: dict[str, list[dict[str, Any]]] = {name: [] for name in services}
    for path in HANDLERS:
        service, name = path.split("/")
        if service not in handlers:
            continue
        one = {"name": name}
        if service == "Flow":
            one["ty"] = "WORKFLOW" if name == "run" else "SHARED"
        handlers[service].append(one)
    listed = [
        {"name": name, "ty": _TYPES[name], "handlers": some} for name, some in handlers.items()
    ]
    document = {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": listed,
    }
    return json.dumps(document).encode()
