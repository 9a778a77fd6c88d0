"""The journal of one attempt: what came in, what goes out, and where the code stands in it.

Input is bytes (`feed`, `end_input`), output is the list of frames `out`. An attempt first takes in
Start and all entries that are stored. Then the code runs: while stored commands are left
(`replaying`) each command that it makes is compared with the next one, afterwards it is written.
Notifications are settled one at a time, in stored order, and only when all of the code waits:
so every attempt sees them in the same order at the same places.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from perdure.replay.errors import Closed, Mismatch, ProtocolViolation, ReplayError, TooMuchBuffered
from perdure.replay.mismatch import check, describe, name_of
from perdure.replay.notices import Notice, read_notice
from perdure.replay.slot import Slot
from perdure.replay.view import StateView
from perdure.wire import codes
from perdure.wire.codes import message_name
from perdure.wire.commands import InputCommand, decode_input
from perdure.wire.control import (
    Error,
    Suspension,
    decode_propose_run_completion_ack,
    encode_error,
    encode_suspension,
)
from perdure.wire.errors import FrameTooLarge, WireError
from perdure.wire.frames import HEADER, HEADER_BYTES, FrameReader, code_of, frame
from perdure.wire.futures import WireFuture
from perdure.wire.ids import invocation_id_to_str
from perdure.wire.start import Start, decode_start
from perdure.wire.versions import V6, V7

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""One message: twice what a server takes by default, so that its own limit is the one met."""
BUFFER_BYTES_MAX: Final = 512 * 1024 * 1024
"""All entries of one attempt that are kept at a time."""

# States, in the order in which they are passed through.
WAITING_START: Final = 0
WAITING_ENTRIES: Final = 1
OPEN: Final = 2
CLOSED: Final = 3

_ACK_HEAD: Final = HEADER.pack(codes.PROPOSE_RUN_COMPLETION_ACK, 0, 2) + b"\x08"
_ACK_BYTES: Final = len(_ACK_HEAD) + 1
_NO_START: Final = Start(b"", "", 0)
_NO_STATE: Final = StateView((), True)  # until Start has come; nothing writes before that
_CANCEL_KEY: Final = -codes.CANCEL_SIGNAL


class Journal:
    """What an attempt has taken in and given out."""

    def __init__(
        self,
        version: int,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
    ) -> None:
        self.version = version
        self.state = WAITING_START
        self.out: list[bytes] = []
        self.input_ended = False
        self.start = _NO_START
        self.view = _NO_STATE
        self.command_index = -1
        self.fresh_commands = 0
        """Commands that no earlier attempt has made."""
        self.broken: ReplayError | None = None
        self.over: Callable[[], BaseException] = Closed
        """What is raised where the code asks for something after the end."""
        self.cancelled = False  # signal 1 was settled and not yet raised
        self._message_bytes_max = message_bytes_max
        self._reader: FrameReader | None = None  # once there are bytes to be cut
        self._buffer_bytes_max = buffer_bytes_max
        self._came_bytes = 0  # two counts: the thread of a handler takes, the loop's gives
        self._gone_bytes = 0
        self._entries_left = 0
        self._stored: deque[bytes] = deque()  # commands that the code has not made again yet
        self.notices: deque[tuple[int, bytes] | int] = deque()
        """Notifications that were not settled yet: code and whole frame, and of acknowledgements
        the completion ids."""
        self._stored_notices = 0  # of those, how many were there when the attempt began
        self._awaited: dict[int | str, Slot | deque[Slot]] = {}
        self._early: dict[int | str, deque[tuple[Notice, int]]] = {}  # with the bytes of each
        self._proposed: dict[int, tuple[int, Any]] = {}
        """Results of runs whose acknowledgement is to come, by completion id: kind and result."""
        self._last = b""
        self._input: InputCommand | None = None

    # -- what comes in

    @property
    def ready(self) -> bool:
        """Whether all stored entries are there, so that the code can run."""
        return self.state >= OPEN

    @property
    def closed(self) -> bool:
        """Whether the attempt is over."""
        return self.state == CLOSED

    @property
    def replaying(self) -> bool:
        """Whether stored commands are left."""
        return bool(self._stored)

    @property
    def repeating(self) -> bool:
        """Whether anything is left that an earlier attempt has seen: logs stay silent."""
        return bool(self._stored) or self._stored_notices > 0

    @property
    def invocation_id(self) -> str:
        """The id of the invocation, as people and clients write it."""
        start = self.start
        return start.debug_id or invocation_id_to_str(start.id)

    @property
    def seed(self) -> int:
        """What the random numbers of the invocation are made from; the same in every attempt."""
        if self.version >= V6:
            return self.start.random_seed
        return int.from_bytes(sha256(self.start.id).digest()[:8], "big")

    def feed(self, data: bytes) -> None:
        """Take in a piece of the request, cut anywhere; raises ReplayError."""
        if self.state == CLOSED:
            return
        reader = self._reader
        if (
            len(data) == _ACK_BYTES
            and data.startswith(_ACK_HEAD)
            and data[-1] < 0x80
            and self.state == OPEN
            and (reader is None or not reader.pending)
        ):
            # One for each step, and nearly always by itself.
            self.notices.append(data[-1])
            return
        if reader is None:
            reader = self._reader = FrameReader(self._message_bytes_max)
        try:
            frames = reader.feed(data)
        except FrameTooLarge as error:
            raise ProtocolViolation(str(error)) from None
        for code, _, whole in frames:
            try:
                self._take_in(code, whole)
            except WireError as error:
                raise ProtocolViolation(f"{message_name(code)}: {error}") from None

    def acknowledge(self, completion_ids: list[int]) -> None:
        """Take note that these results are stored, as `feed` does of their acknowledgements."""
        self.notices += completion_ids

    def open(self, start: Start, given: InputCommand) -> None:
        """Take in Start and Input as they were decoded; the journal holds nothing else."""
        self.start = start
        self.view = StateView(start.state_map, start.partial_state)
        self._input = given
        self.command_index = 0
        self.state = OPEN

    def end_input(self) -> None:
        """Take note that nothing more will come; raises ReplayError if the journal is not whole."""
        self.input_ended = True
        if self.state < OPEN:
            raise ProtocolViolation("the request ended before all entries of the journal had come")

    def _take_in(self, code: int, whole: bytes) -> None:
        state = self.state
        if code >= 0x0400:
            if state == WAITING_START:
                raise ProtocolViolation(f"{message_name(code)} came before Start")
            if code >= 0x8000:
                self._keep(whole)
                self.notices.append((code, whole))
            elif state == WAITING_ENTRIES:
                self._keep(whole)
                self._stored.append(whole)
            else:
                raise ProtocolViolation(f"{message_name(code)} came after the stored entries")
            if state == WAITING_ENTRIES:
                self._entries_left -= 1
                if not self._entries_left:
                    self._open()
        elif code == codes.PROPOSE_RUN_COMPLETION_ACK and state == OPEN:
            number = decode_propose_run_completion_ack(whole, HEADER_BYTES).completion_id
            self.notices.append(number)
        elif code == codes.START and state == WAITING_START:
            self._begin(decode_start(whole, HEADER_BYTES))
        elif state != CLOSED:
            raise ProtocolViolation(f"{message_name(code)} came where it must not")

    def _keep(self, whole: bytes) -> None:
        self._came_bytes += len(whole)
        if self._came_bytes - self._gone_bytes > self._buffer_bytes_max:
            raise TooMuchBuffered(self._buffer_bytes_max)

    def _begin(self, start: Start) -> None:
        if not start.known_entries:
            raise ProtocolViolation("a journal holds at least the input")
        self.start = start
        self.view = StateView(start.state_map, start.partial_state)
        self._entries_left = start.known_entries
        self.state = WAITING_ENTRIES

    def _open(self) -> None:
        stored = self._stored
        if not stored or code_of(stored[0]) != codes.INPUT:
            raise ProtocolViolation("the journal does not begin with Input")
        self._input = decode_input(stored.popleft(), HEADER_BYTES)
        self.command_index = 0
        self._stored_notices = len(self.notices)
        self.state = OPEN

    def _drop_stored(self) -> Iterator[bytes]:
        """Take out the stored commands, and the notifications that belong to them."""
        notices, signal = list(self.notices), codes.SIGNAL_NOTIFICATION
        self.notices.clear()
        self.notices += (one for one in notices if not isinstance(one, int) and one[0] == signal)
        self._stored_notices = 0
        self.command_index += len(self._stored)
        while self._stored:
            whole = self._stored.popleft()
            self._gone_bytes += len(whole)
            yield whole

    @property
    def input(self) -> InputCommand:
        """What the handler was called with; there once the journal is ready."""
        assert self._input is not None
        return self._input

    # -- notifications

    def deliver(self) -> bool:
        """Settle the handle of the next notification; False if there is none. ReplayError."""
        if not self.notices:
            return False
        told = self.notices.popleft()
        if self._stored_notices:
            self._stored_notices -= 1
        if isinstance(told, int):
            proposed = self._proposed.pop(told, None)
            if proposed is None:
                raise ProtocolViolation(f"run {told} is acknowledged, but was not proposed")
            handle: Any = self._awaited.pop(told, None)
            if handle is not None:
                handle.settle(*proposed)
            return True
        code, whole = told
        try:
            notice = read_notice(code, whole)
        except WireError as error:
            raise ProtocolViolation(f"{message_name(code)}: {error}") from None
        if self._settle(notice):
            self._gone_bytes += len(whole)
        else:
            self._early.setdefault(notice[0], deque()).append((notice, len(whole)))
        return True

    def _settle(self, notice: Notice) -> bool:
        """Settle a handle; False if it is of a signal that the code has not asked for yet."""
        key, kind, raw = notice
        waiting = self._awaited.pop(key, None)
        if waiting is None:
            if key != _CANCEL_KEY:
                return False
            self.cancelled = True
        elif isinstance(waiting, Slot):
            waiting.settle(kind, raw)
        else:
            handle = waiting.popleft()
            if waiting:
                self._awaited[key] = waiting
            handle.settle(kind, raw)
        return True

    @property
    def pending(self) -> Mapping[int | str, Slot | deque[Slot]]:
        """Handles that are not settled, by the number of their notification; those of signals
        queue by name."""
        return self._awaited

    def _await(self, handle: Slot, key: int | str) -> None:
        """Have a handle settled by the next notification with a key, or by one that was early."""
        handle.number = key
        early = self._early.get(key)
        if early is not None:
            (_, kind, raw), size = early.popleft()
            self._gone_bytes += size
            if not early:
                del self._early[key]
            handle.settle(kind, raw)
            return
        if isinstance(key, str):  # signals of one name queue up, and so do those who wait
            queue = self._awaited.setdefault(key, deque())
            assert isinstance(queue, deque)
            queue.append(handle)
        else:
            self._awaited[key] = handle

    # -- commands

    def _command(self, whole: bytes) -> None:
        """Compare a command with the journal, or write it; raises ReplayError."""
        if self.state != OPEN:
            raise self.over()
        self.command_index += 1
        self._last = whole
        stored = self._stored
        if stored:
            recorded = stored.popleft()
            self._gone_bytes += len(recorded)
            if recorded != whole:
                try:
                    check(self.command_index, recorded, whole)
                except ReplayError as error:
                    raise self.broken_by(error) from None
        else:
            self.fresh_commands += 1
            self.out.append(whole)

    def broken_by(self, error: ReplayError) -> ReplayError:
        """Keep the error: the attempt fails with it, even if the code catches it."""
        if self.broken is None:
            self.broken = error
        return error

    @property
    def last_command(self) -> tuple[int, bytes]:
        """Number and frame of the command that was made last."""
        return self.command_index, self._last

    # -- the end

    def suspend(self, awaiting_on: WireFuture) -> None:
        """End the attempt until one of what is awaited is there."""
        suspension = Suspension(awaiting_on)
        self.out.append(frame(codes.SUSPENSION, encode_suspension(suspension, self.version)))
        self.close()

    def stuck(self) -> ReplayError:
        """The error of code that waits for what the journal says it had when it went on."""
        recorded = describe(self._stored[0])
        error = Mismatch(
            f"the journal does not fit the code: the code waits for a result that the journal does"
            f" not hold, but the journal goes on with command {self.command_index + 1}, {recorded}",
            self.command_index + 1,
        )
        return self.broken_by(error)

    def fail(
        self,
        code: int,
        message: str,
        stacktrace: str = "",
        *,
        retry_delay_ms: int | None = None,
        behavior: int = codes.BEHAVIOR_RETRY,
        command: bytes | None = None,
        command_index: int | None = None,
    ) -> None:
        """End the attempt with an Error, about the last command unless another is named."""
        if self.state == CLOSED:
            return
        about = self._last if command is None else command
        error = Error(code, message, stacktrace, next_retry_delay=retry_delay_ms)
        if about:
            error.related_command_type = code_of(about)
            error.related_command_name = name_of(about) or None
        index = self.command_index if command_index is None else command_index
        if index >= 0:
            error.related_command_index = index
        if self.version >= V7:
            error.behavior = behavior
        self.out.append(frame(codes.ERROR, encode_error(error, self.version)))
        self.close()

    def close(self) -> None:
        """Drop all that is kept; what is in `out` may still be sent."""
        self.state = CLOSED
        self._stored.clear()
        self.notices.clear()
        self._awaited.clear()
        self._early.clear()
        self._proposed.clear()

    def failed_by(self, error: ReplayError, stacktrace: str = "") -> None:
        """End the attempt with an error of its own."""
        self.fail(error.code, error.message, stacktrace, command_index=error.command)
