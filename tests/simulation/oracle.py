"""What everybody saw, in plain dicts, and the rules that hold at every moment."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

Life = tuple[bytes, int]  # invocation id, incarnation

HURRY_S, HURRIED_MAX = 0.05, 2
AFTER_LOSS = ("stores", "liveness", "stopped", "logged", "raised", "locks", "records")
"""Rules that hold even when the log has lost what it had acknowledged."""


class Oracle:
    """Collects what services and clients were told; a broken rule is a violation, in words."""

    def __init__(self, lenient: bool = False) -> None:
        self.awaits_stop = False  # of a partition, by a record that is none
        self._lenient = lenient
        self.may_expire_early = False
        self.has_jumped_far = False  # the wall clock, by more than results are kept for a key
        self.when_broken: Callable[[], None] = lambda: None
        self.violations: list[str] = []
        self.trace: list[str] = []
        self.runs: dict[str, set[Life]] = defaultdict(set)  # token -> lives that ran it
        self.told: dict[tuple[bytes, int, object], bytes] = {}  # notification of a life -> frame
        self.orders: dict[Life, list[object]] = defaultdict(list)  # of what is told once
        self.executed: dict[tuple[bytes, int, int], int] = defaultdict(int)
        self.known_runs: dict[tuple[bytes, int, int], bytes] = {}  # results a service may rely on
        self.acked: dict[Life, int] = defaultdict(int)  # the last command known to be durable
        self.outputs: dict[Life, list[bytes]] = defaultdict(list)
        self.pins: dict[Life, tuple[str, int]] = {}
        self.moved: set[bytes] = set()  # an operator resumed them on another deployment
        self.awakeables: list[tuple[bytes, int]] = []
        self.pongs: list[bytes] = []
        self.named: list[tuple[bytes, str]] = []
        self.results: list[tuple[str, str | None]] = []  # of calls: token, failure
        self.finished: set[str] = set()  # tokens whose program came to its end
        self.counts: dict[str, int] = defaultdict(int)
        self.due_told_s = 0.0  # when a service last told a due time, by its own clock
        self._idle: dict[Life, tuple[int, float]] = {}  # entries it was given, and when
        self.idlers: set[bytes] = set()
        self._hurried: dict[Life, int] = defaultdict(int)
        self.operations: dict[bytes, set[str]] = defaultdict(set)

    def broken(self, rule: str, what: str) -> None:
        if not self._lenient or rule in AFTER_LOSS:
            self.violations.append(f"{rule}: {what}")
            self.when_broken()

    def note(self, text: str) -> None:
        self.trace.append(text)

    def started(self, token: str, life: Life) -> None:
        self.runs[token].add(life)

    def notified(self, life: Life, key: object, frame: bytes) -> None:
        """One notification is the same for every attempt of a life."""
        known = self.told.setdefault((*life, key), frame)
        if known != frame:
            self.broken("notifications", f"{life[0].hex()} was told two things for {key}")

    def came(self, life: Life, place: int, key: object) -> None:
        """Live or replayed, every attempt of a life is told the same in the same order."""
        order = self.orders[life]
        if place == len(order):
            order.append(key)
        elif order[place] != key:
            self.broken("notifications", f"{life[0].hex()} was told {key} before {order[place]}")

    def command_acknowledged(self, life: Life, index: int) -> None:
        self.acked[life] = max(self.acked[life], index)

    def replayed(self, life: Life, commands: int) -> None:
        """What was acknowledged is durable: every later attempt gets it."""
        if commands < self.acked[life]:
            self.broken(
                "notifications",
                f"{life[0].hex()} was told that command {self.acked[life]} is durable,"
                f" an attempt has {commands}",
            )

    def idled(self, life: Life, entries: int) -> None:
        """An attempt that was given so many entries suspends on what nobody will complete."""
        self.idlers.add(life[0])
        self._idle[life] = entries, asyncio.get_running_loop().time()

    def asked(self, life: Life, entries: int) -> None:
        """An attempt begins: not at once, if there is nothing new. An operator may begin one, and
        one follows what did not arrive, by the backoff of failures. Twice may go unnoticed: a
        resume under way when an attempt ends, a leader whose records are lost."""
        known, idle_s = self._idle.pop(life, (0, 0.0))
        if known == entries and asyncio.get_running_loop().time() - idle_s < HURRY_S:
            self._hurried[life] += 1
            if self._hurried[life] > HURRIED_MAX:
                self.broken("backoff", f"{life[0].hex()} is asked again and again at once")

    def run_executed(self, life: Life, completion_id: int, is_stale: bool) -> None:
        at = (*life, completion_id)
        self.executed[at] += 1
        if at in self.known_runs and not is_stale:
            self.broken(
                "exactly once", f"run {completion_id} of {life[0].hex()} again after its result"
            )

    def run_known(self, life: Life, completion_id: int, value: bytes) -> None:
        """A service goes on with the result of a run: it must never change."""
        known = self.known_runs.setdefault((*life, completion_id), value)
        if known != value:
            self.broken("exactly once", f"run {completion_id} of {life[0].hex()} has two results")

    def placed(self, life: Life, uri: str, protocol: int) -> None:
        """An invocation with stored entries stays where it is, unless an operator moves it: then
        its protocol stays."""
        known = self.pins.setdefault(life, (uri, protocol))
        may_move = life[0] in self.moved
        if known[1] != protocol or (known[0] != uri and not may_move):
            self.broken("pin", f"{life[0].hex()} moved from {known} to {(uri, protocol)}")

    def touched(self, operation: str, invocation_id: bytes) -> None:
        """Somebody did something to an invocation: it need not come to its own end."""
        self.operations[invocation_id].add(operation)
        for life in [life for life in self._idle if life[0] == invocation_id]:
            del self._idle[life]

    def cut_off(self, life: Life) -> None:
        """The end of an attempt does not arrive: the next one is begun as after a failure."""
        self._idle.pop(life, None)
