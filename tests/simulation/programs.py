"""Programs that scripted services run: lists of operations, made from the seed, sent as bodies.

A program is JSON: {"token": unique name, "ops": [[name, arguments…], …]}. Every result is its
token, so that whoever gets a result can tell whose it is.
"""

import json
import zlib
from random import Random
from typing import Any

from orchestrator.model.limits import INPUT_INLINE_BYTES, RESULT_INLINE_BYTES

Program = dict[str, Any]

SERVICE, OBJECT, WORKFLOW = "Plain", "Thing", "Flow"
OBJECT_KEYS = ("a", "b", "c", "d")
WILD_KEYS = ("w", "x")  # keys whose state is patched and cleared
DEPTH_MAX = 2
REBORN_STYLES = ("results", "timers", "children", "promises")


class Programs:
    """Makes programs; remembers what calls and sends they contain, by token."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self.sends: dict[str, list[str]] = {}  # token -> tokens of what it sends
        self.puts: dict[str, list[str]] = {}  # token -> what it puts, in order
        self.workflow_keys: list[str] = []

    def token(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def service(self, depth: int = 0, above: str = "") -> Program:
        program = self._program(depth, ("run", "sleep", "call", "send", "wait"), above)
        if self._count % 8 == 0 and program["ops"][-1:] != [["terminal"]]:
            program["ops"].append(["idle", 8])
        return program

    def exclusive(self, key: str, depth: int = 0, wild: bool = False) -> Program:
        first = ["put"]
        if wild:
            first = self._random.choice([["put"], ["clear_all"], ["clear", "log"], ["keys"]])
        kinds = ("put", "put", "pad", "run", "sleep", "call", "send")
        program = self._program(depth, kinds, key)
        program["ops"].insert(0, first)
        self._note_puts(program)
        return program

    def shared(self) -> Program:
        return self._program(DEPTH_MAX, ("get", "run", "sleep"))

    def workflow(self, key: str) -> Program:
        program = self._program(1, ("put", "run", "sleep", "call"))
        program["ops"] += [["promise", "click"], ["put"]]
        self._note_puts(program)
        self.workflow_keys.append(key)
        return program

    def reborn(self, style: str, number: int) -> Program:
        """For a key that is ended, purged and submitted again: the `number`th of its lives."""
        program: Program = {"token": self.token(), "ops": []}
        target = self._sleeper(400 + 500 * number)
        if style == "results":
            # The first life calls and does not wait; its result comes when the next one waits.
            program["ops"].append(["call" if number else "forget", *target])
        elif style == "timers":
            program["ops"].append(["sleep", 500 + 900 * number])
        elif style == "children":
            others = [self._sleeper(400 + 100 * n) for n in range(2)]
            program["ops"] += [["calls", [target, *others]], ["sleep", 300]]
        else:
            program["ops"] += [["promise", "click"], ["call", *target]]
        return program

    def brief(self) -> Program:
        """Nothing but an answer."""
        token = self.token()
        self.sends[token], self.puts[token] = [], []
        return {"token": token, "ops": []}

    def nap(self) -> Program:
        return {"token": self.token(), "ops": [["sleep", 50]]}

    def _sleeper(self, delay_ms: int) -> list[Any]:
        return [SERVICE, "run", "", {"token": self.token(), "ops": [["sleep", delay_ms]]}]

    def ping(self, key: str) -> Program:
        """Signals, which are not the same when they come once more."""
        token = self.token()
        self.sends[token], self.puts[token] = [], []
        return {"token": token, "ops": [self._ping(key), ["sleep", 300]]}

    def _ping(self, key: str) -> list[Any]:
        pong = {"token": self.token(), "ops": [["pong"], ["pong"]]}
        return ["ping", OBJECT, "look", key, pong]

    def click(self) -> Program:
        ops: list[list[Any]] = [["peek", "click"]] if self._random.random() < 0.5 else []
        if self._count % 2:  # it asks for a promise that nobody completes, and ends
            ops.append(["glance", "never"])
        return {"token": self.token(), "ops": [*ops, ["resolve", "click"]]}

    def _program(self, depth: int, kinds: tuple[str, ...], above: str = "") -> Program:
        """`above`: it may hold that key, and waits only for later ones: no deadlocks."""
        token = self.token()
        program: Program = {"token": token, "ops": []}
        self.sends[token] = []
        for _ in range(self._random.choice((0, 1, 1, 2, 2, 3, 5))):
            kind = self._random.choice(kinds)
            if kind in ("call", "send") and depth >= DEPTH_MAX:
                kind = "run"
            program["ops"].append(self._op(kind, depth, token, above))
        if self._random.random() < 0.06:
            program["ops"].append(["terminal"])
        self._note_puts(program)
        return program

    def _op(self, kind: str, depth: int, token: str, above: str) -> list[Any]:
        random = self._random
        if kind == "run":
            return self._run()
        if kind == "sleep":
            return ["sleep", random.choice((0, 1, 20, 300, 2500))]
        if kind == "pad":
            return ["pad", f"p{random.randrange(4)}", random.choice((10, 3000, 9000))]
        if kind == "wait":
            return random.choice([["awakeable"], ["race", 200], ["named", "go"], ["gather"]])
        if kind == "call":
            return self._call(depth, token, above)
        if kind == "send":
            target = self._target(depth + 1)
            self.sends[token].append(target[3]["token"])
            return ["send", *target, random.choice((0, 0, 0, 150, 1500))]
        return [kind]

    def _run(self) -> list[Any]:
        failures = self._random.choice((0, 0, 0, 0, 1, 2))
        return ["run", failures, self._random.choice((0, 0, 0, 9000))]

    def _call(self, depth: int, token: str, above: str) -> list[Any]:
        chance = self._random.random()
        if chance < 0.3:
            count = self._random.randrange(2, 5)
            return ["calls", [self._target(depth + 1, above) for _ in range(count)]]
        target = self._target(depth + 1, above)
        if chance < 0.38:
            return self._ping(self._random.choice(OBJECT_KEYS))
        if chance < 0.46:
            self.sends[token].append(target[3]["token"])
            return [self._random.choice(("attach", "output", "cancel_child")), *target]
        return ["call", *target]

    def _target(self, depth: int, above: str = "") -> list[Any]:
        """[service, handler, key, program]."""
        chance = self._random.random()
        keys = [key for key in OBJECT_KEYS if key > above]
        if chance < 0.3 or (chance < 0.85 and not keys):
            return [SERVICE, "run", "", self.service(depth, above)]
        if chance < 0.85:
            key = self._random.choice(keys)
            return [OBJECT, "write", key, self.exclusive(key, depth)]
        return [OBJECT, "look", self._random.choice(OBJECT_KEYS), self.shared()]

    def _note_puts(self, program: Program) -> None:
        token = program["token"]
        puts = [f"{token}.{n}" for n, op in enumerate(program["ops"]) if op[0] == "put"]
        self.puts[token] = puts


def encode(program: Program) -> bytes:
    """Its bytes; every fourth is too large to lie in its invocation's row."""
    body = json.dumps(program).encode()
    large = zlib.crc32(program["token"].encode()) % 4 == 0
    return body.ljust(2 * INPUT_INLINE_BYTES) if large else body


def result_of(token: str) -> bytes:
    """Of a program; every fourth is too large to lie in the row of what completed."""
    value = json.dumps(token).encode()
    return value.ljust(2 * RESULT_INLINE_BYTES) if zlib.crc32(token.encode()) % 4 == 1 else value


def decode(body: bytes) -> Program:
    program: Program = json.loads(body)
    return _hear(program["id"]) if "specversion" in program else program


def _hear(event: str) -> Program:
    """Who is told of an event of the public feed sends on what is heard."""
    heard = {"token": f"heard {event}", "ops": []}
    return {"token": f"told {event}", "ops": [["send", SERVICE, "brief", "", heard, 0]]}
