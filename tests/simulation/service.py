"""A service on an emulated SDK: replays the frames it is given, then makes new commands.

It compares every command it makes while replaying with the stored one, takes notifications in
stored order, suspends when its input is half-closed and nothing it waits for is there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Hashable
from typing import Any, Protocol
from zlib import crc32

from perdure import wire
from perdure.wire import codes
from tests.simulation.oracle import Life, Oracle
from tests.simulation.programs import decode, result_of

FRAME_BYTES_MAX = 32 << 20
ACKED_EVERY = 3  # commands from one that wants to know when it is durable to the next
UNKNOWN_FIELD = b"\xfa\x06\x03new"  # number 111, three bytes
UNKNOWN_COMPLETION = 9_999
Key = Hashable
Wait = list[Key]  # ("c", completion id) | ("s", signal number) | ("n", signal name)
CANCEL: Key = ("s", codes.CANCEL_SIGNAL)
Course = Generator[Wait, wire.Notification, Any]


class Retry(Exception):
    """The attempt fails; the next one may do better."""


class Terminal(Exception):
    """The invocation fails for good."""

    def __init__(self, failure: wire.WireFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Out(Protocol):
    """The way of a response."""

    def respond(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Attempt:
    """One request to the service."""

    def __init__(
        self,
        oracle: Oracle,
        out: Out,
        now_ms: Callable[[], int],
        turned_back_ms: Callable[[], int],
        program_of: Callable[["Attempt", list[list[Any]], str], Course],
        life: Life,
        uri: str,
        protocol: int,
        start_at_ms: int,
        is_stale: Callable[[], bool],
    ) -> None:
        self.oracle = oracle
        self.life = life
        self.now_ms = now_ms
        self.turned_back_ms = turned_back_ms
        self.protocol = protocol
        self.start: wire.Start = wire.Start(b"", "", 0)
        self.state: dict[bytes, bytes] = {}
        self.next_completion = 1
        self.next_signal = codes.USER_SIGNAL_MIN
        self.is_stale = is_stale
        self._out = out
        self._uri = uri
        self._start_at_ms = start_at_ms
        self._program_of = program_of
        self._reader = wire.FrameReader(FRAME_BYTES_MAX)
        self._to_come = -1
        self._body = b""
        self._replay: deque[bytes] = deque()
        self._arrived: list[tuple[Key, wire.Notification]] = []
        self._got: list[Key] = []  # what comes once, in the order in which it came
        self._waits: Wait | None = None
        self._course: Course | None = None
        self._proposed: dict[int, wire.Notification] = {}
        self._commands = 1  # the input is the first
        self._unacked: list[int] = []  # commands of this stream that asked for it
        self._written: list[bytes] = []
        self._input_closed = False
        self.is_idle: Callable[[], bool] = _never  # to suspend on what nobody will complete
        self.pings: list[bytes] = []
        self.is_over = False

    # --- from the server ---

    def feed(self, data: bytes) -> None:
        if self.is_over:
            return
        for number, _, frame in self._reader.feed(data):
            self._take(number, frame)
            if self.is_over:
                return

    def close_input(self) -> None:
        self._input_closed = True
        if not self.is_over and self._waits is not None and self._course is not None:
            self._go_on()

    def _take(self, number: int, frame: bytes) -> None:
        message = wire.decode_frame(number, frame)
        if isinstance(message, wire.Start):
            self._begin(message)
            return
        if isinstance(message, wire.Notification):
            self._notified(message, frame)
        elif isinstance(message, wire.ProposeRunCompletionAck):
            self._acknowledged(message.completion_id)
        elif isinstance(message, wire.CommandAck):
            self._command_is_durable(message.command_index)
        elif isinstance(message, wire.InputCommand):
            self._body = message.value or b""
        elif codes.is_command(number):
            self._replay.append(frame)
        if self._to_come > 0:
            self._to_come -= 1
            if self._to_come == 0:
                self._run()
        elif self._waits is not None:
            self._go_on()

    def _begin(self, start: wire.Start) -> None:
        self.start = start
        self.state = dict(start.state_map)
        self._to_come = start.known_entries
        if start.id != self.life[0]:
            self.oracle.broken("start", "the id of the start message is another one")
        if self._start_at_ms > self.now_ms() + self.turned_back_ms():
            self.oracle.broken("timers", "a delayed invocation began early")

    def _run(self) -> None:
        program = decode(self._body)
        self.oracle.started(program["token"], self.life)
        if self._replay:
            self.oracle.placed(self.life, self._uri, self.protocol)
        if not self.is_stale():
            self.oracle.asked(self.life, self.start.known_entries)
            self.oracle.replayed(self.life, len(self._replay))
        self._course = self._whole(program)
        self._waits = []
        self._resume(None)

    def _whole(self, program: dict[str, Any]) -> Course:
        token = program["token"]
        try:
            yield from self._program_of(self, program["ops"], token)
        except Terminal as terminal:
            self.command(wire.OutputCommand(failure=terminal.failure))
            self.oracle.outputs[self.life].append(terminal.failure.message.encode())
            return
        self.command(wire.OutputCommand(value=result_of(token)))
        self.oracle.outputs[self.life].append(result_of(token))
        self.oracle.finished.add(token)

    # --- notifications ---

    def _notified(self, m: wire.Notification, frame: bytes) -> None:
        key: Key
        if m.code == codes.SIGNAL_NOTIFICATION:
            key = ("n", m.signal) if isinstance(m.signal, str) else ("s", m.signal)
        else:
            key = ("c", m.completion_id)
        once = key[0] == "c" or (key[0] == "s" and isinstance(m.signal, int) and m.signal > 15)
        if once:
            if key in self._got:
                self.oracle.broken("notifications", f"{self.life[0].hex()} got {key} twice")
            self._note(key)
            self.oracle.notified(self.life, key, frame)
        self._arrived.append((key, m))

    def _acknowledged(self, completion_id: int) -> None:
        result = self._proposed.get(completion_id)
        if result is None:
            self.oracle.broken("notifications", f"an ack for run {completion_id}, not proposed")
            return
        if ("c", completion_id) in self._got:
            self.oracle.broken("notifications", f"run {completion_id} was acknowledged twice")
        self._note(("c", completion_id))
        self._arrived.append((("c", completion_id), result))

    def _command_is_durable(self, index: int) -> None:
        if index not in self._unacked:
            self.oracle.broken("notifications", f"an ack for command {index}, not asked for")
            return
        self._unacked.remove(index)
        self.oracle.command_acknowledged(self.life, index)

    def _note(self, key: Key) -> None:
        self.oracle.came(self.life, len(self._got), key)
        self._got.append(key)

    # --- the course of the program ---

    def command(self, message: Any, flags: int = 0) -> Any:
        """Make a command, or find it in the journal; the message as it is stored."""
        index = self._commands
        self._commands += 1
        if index % ACKED_EVERY == 0:
            flags |= wire.REQUESTED_ACK
        frame = _from_a_later_sdk(wire.encode(message, version=self.protocol, flags=flags))
        if not self._replay:
            self._written.append(frame)
            if index % ACKED_EVERY == 0:
                self._unacked.append(index)
            return message
        stored = self._replay.popleft()
        code = int.from_bytes(stored[:2], "big")
        found = wire.decode_frame(code, stored)
        timed = isinstance(
            found, wire.SleepCommand | wire.OneWayCallCommand | wire.GetEagerStateCommand
        )
        if type(found) is not type(message) or not (timed or stored == frame):
            self.oracle.broken(
                "journal", f"{self.life[0].hex()} stored {found!r}, makes {message!r}"
            )
        return found

    def is_next(self, kind: type) -> bool | None:
        """Whether the next stored command is of a kind; None when there is none."""
        if not self._replay:
            return None
        stored = self._replay[0]
        return isinstance(wire.decode_frame(int.from_bytes(stored[:2], "big"), stored), kind)

    @property
    def is_replaying(self) -> bool:
        return bool(self._replay)

    def propose(self, completion_id: int, value: bytes) -> None:
        message = wire.ProposeRunCompletion(completion_id, value)
        flags = wire.REQUESTED_ACK if self.protocol >= 7 else 0
        self._proposed[completion_id] = wire.Notification(
            codes.RUN_COMPLETION, completion_id, value=value
        )
        self._written.append(wire.encode(message, version=self.protocol, flags=flags))

    def has(self, key: Key) -> bool:
        return any(known == key for known, _ in self._arrived)

    def in_ms(self, delay_ms: int) -> int:
        """A due time by this service's clock."""
        self.oracle.due_told_s = asyncio.get_running_loop().time()
        return self.now_ms() + delay_ms

    def completion_id(self) -> int:
        self.next_completion += 1
        return self.next_completion - 1

    def _first(self, waits: Wait) -> wire.Notification | None:
        for number, (key, message) in enumerate(self._arrived):
            if key in waits:
                if key[0] != "c":  # type: ignore[index]
                    del self._arrived[number]
                    self._arrived.append((("used", key), message))
                return message
        return None

    def _go_on(self) -> None:
        assert self._waits is not None
        found = self._first(self._waits)
        if found is not None:
            self._resume(found)
        elif self._input_closed:
            self._suspend(self._waits)

    def _resume(self, found: wire.Notification | None) -> None:
        assert self._course is not None
        try:
            while True:
                waits = self._course.send(found)  # type: ignore[arg-type]
                found = self._first(waits)
                if found is None:
                    break
        except StopIteration:
            self._end(wire.End())
            return
        except Retry as retry:
            self._end(wire.Error(500, str(retry)))
            return
        self._waits = waits
        if self._replay:
            self.oracle.broken("journal", "what was waited for before the last command is gone")
        if self.is_idle():
            self._suspend_idly(waits)
        elif self._input_closed:
            self._suspend(waits)
        else:
            self._flush()

    def _suspend_idly(self, waits: Wait) -> None:
        """On what it has been given, by V7 also on all of nothing; or on what does not exist."""
        self.oracle.idled(self.life, self.start.known_entries)
        given = [key[1] for key in self._got if key[0] == "c"][:1]  # type: ignore[index]
        if waits[0][1] % 2:  # type: ignore[index]
            future = wire.WireFuture(codes.FIRST_COMPLETED, [UNKNOWN_COMPLETION])
        elif self.protocol >= 7:
            nested = [wire.WireFuture(codes.ALL_COMPLETED)]
            future = wire.WireFuture(codes.FIRST_COMPLETED, [waits[0][1]], nested=nested)  # type: ignore[index]
        else:
            future = wire.WireFuture(codes.FIRST_COMPLETED, [*given, waits[0][1]])  # type: ignore[index]
        self._end(wire.Suspension(future))

    def _suspend(self, waits: Wait) -> None:
        completions = [k[1] for k in waits if k[0] == "c"]  # type: ignore[index]
        signals = [k[1] for k in waits if k[0] == "s"]  # type: ignore[index]
        names = [k[1] for k in waits if k[0] == "n"]  # type: ignore[index]
        future = wire.WireFuture(codes.FIRST_COMPLETED, completions, signals, names)
        self._end(wire.Suspension(future))

    def _end(self, message: Any) -> None:
        self._written.append(wire.encode(message, version=self.protocol))
        self.is_over = True
        self._flush()
        self._out.finish()

    def _flush(self) -> None:
        written, self._written = self._written, []
        if written:
            self._out.respond(b"".join(written))


def _never() -> bool:
    return False


def _from_a_later_sdk(frame: bytes) -> bytes:
    """Some commands carry a field that nobody here knows: it must come back as it was sent."""
    if crc32(frame) % 3:
        return frame
    payload = frame[wire.HEADER_BYTES :] + UNKNOWN_FIELD
    return frame[:4] + len(payload).to_bytes(4, "big") + payload
