"""A server in a few lines, for attempts in this process: it keeps the journal of an invocation,
answers its commands, and runs attempt after attempt until there is an output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from perdure import wire
from perdure.runtime import Attempt
from perdure.wire import codes
from perdure.wire.frames import HEADER_BYTES

ID = bytes(range(24))


@dataclass
class Invocation:
    """One invocation: what is stored of it, and how its commands are answered.

    `suspending`: each attempt gets what is stored, and then the end of the request. `cut` says
    after how many bytes of a response the stream breaks (None: it does not); it is asked once per
    attempt. `call` answers calls; `late` holds notifications back until the next attempt.
    """

    handler: Any
    argument: bytes = b""
    version: int = 7
    suspending: bool = False
    key: str = ""
    state: dict[bytes, bytes] = field(default_factory=dict)
    lazy: bool = False
    call: Callable[[Any], bytes | wire.WireFailure] = lambda command: b"null"
    cut: Callable[[], int | None] = lambda: None
    pieces: Callable[[bytes], Iterable[bytes]] = lambda data: (data,)
    answers_sleep: bool = True
    attempts: int = 0
    journal: list[bytes] = field(default_factory=list)
    output: Any = None
    errors: list[Any] = field(default_factory=list)
    suspensions: list[Any] = field(default_factory=list)
    promises: dict[str, bytes] = field(default_factory=dict)
    sent: list[Any] = field(default_factory=list)
    retries: int = 0

    def __post_init__(self) -> None:
        self.journal.append(wire.input_command((("x-test", "1"),), self.argument))

    # -- what is stored

    def commands(self) -> list[Any]:
        """The commands of the journal, decoded."""
        return [
            wire.decode_frame(code, frame)
            for frame in self.journal
            if wire.is_command(code := frame[0] << 8 | frame[1])
        ]

    def notify(self, frame: bytes) -> None:
        """Store a notification, and tell the attempt that runs."""
        self.journal.append(frame)
        self._told.append(frame)
        self._news.set()

    def cancel(self) -> None:
        """Store the signal that asks for the end."""
        self.notify(wire.signal_notification(codes.CANCEL_SIGNAL))

    # -- attempts

    async def run(self, attempts_max: int = 50) -> Any:
        """Run attempts until there is an output; return it."""
        for _ in range(attempts_max):
            await self.attempt()
            if self.output is not None:
                return self.output
        raise AssertionError(f"no output after {attempts_max} attempts: {self.errors}")

    async def attempt(self) -> None:
        """Run one attempt to its end, or to where the stream is cut."""
        self.attempts += 1
        self._told: list[bytes] = []
        self._response = bytearray()
        self._reader = wire.FrameReader(1 << 26)
        self._left = self.cut()
        self._over = False
        self._news = asyncio.Event()
        self._ended = False
        headers = {"x-attempt": str(self.attempts)}
        loop = asyncio.get_running_loop()
        attempt = Attempt(self.handler, self.version, self._got, self._end, loop, headers)
        self._attempt = attempt
        start = wire.start_message(
            self.version,
            ID,
            wire.invocation_id_to_str(ID),
            len(self.journal),
            state=() if self.lazy else self.state.items(),
            partial_state=self.lazy,
            key=self.key,
            retry_count=self.retries,
            random_seed=42,
        )
        for piece in self.pieces(start + b"".join(self.journal)):
            attempt.feed(piece)
        if self.suspending:
            attempt.end_input()
        while not self._over:
            self._news.clear()
            if self._told and not self.suspending:
                told, self._told = self._told, []
                for piece in self.pieces(b"".join(told)):
                    attempt.feed(piece)
                continue
            try:
                await asyncio.wait_for(self._news.wait(), 20)
            except TimeoutError:
                raise AssertionError(f"the attempt hangs: {self.commands()}") from None

    def _got(self, data: bytes) -> None:
        assert data
        assert not self._ended
        if self._left is not None:
            if self._left <= 0:
                return  # the stream is broken
            data, self._left = data[: self._left], self._left - len(data)
        self._news.set()
        for code, flags, frame in self._reader.feed(data):
            self._take(code, flags, frame)
        if self._left is not None and self._left <= 0:
            asyncio.get_running_loop().call_soon(self._break)

    def _break(self) -> None:
        self._attempt.lost()
        self._over = True
        self._news.set()

    def _end(self) -> None:
        assert not self._ended
        self._ended = True
        self._over = True
        self._news.set()

    # -- what comes from the handler

    def _take(self, code: int, flags: int, frame: bytes) -> None:
        message: Any = wire.decode(code, frame, HEADER_BYTES)
        if wire.is_command(code):
            self.journal.append(frame)
            self.retries = 0
        answer = getattr(self, f"_on_{type(message).__name__}", None)
        if answer is not None:
            answer(message)

    def _on_ProposeRunCompletion(self, m: Any) -> None:
        done = wire.Notification(
            codes.RUN_COMPLETION, m.result_completion_id, value=m.value, failure=m.failure
        )
        self.journal.append(wire.encode(done, version=self.version))
        if self.version >= 7:
            self._told.append(wire.run_ack(m.result_completion_id))
        else:
            self._told.append(self.journal[-1])

    def _on_SleepCommand(self, m: Any) -> None:
        if self.answers_sleep:
            self.notify(wire.completion_void(codes.SLEEP_COMPLETION, m.result_completion_id))

    def _on_CallCommand(self, m: Any) -> None:
        name = wire.invocation_id_to_str(bytes([len(self.journal) % 256]) * 24)
        self.notify(wire.completion_invocation_id(m.invocation_id_notification_idx, name))
        answer = self.call(m)
        if isinstance(answer, wire.WireFailure):
            done = wire.Notification(codes.CALL_COMPLETION, m.result_completion_id, failure=answer)
            self.notify(wire.encode(done, version=self.version))
        elif answer is not None:
            self.notify(
                wire.completion_value(codes.CALL_COMPLETION, m.result_completion_id, answer)
            )

    def _on_OneWayCallCommand(self, m: Any) -> None:
        name = wire.invocation_id_to_str(bytes([len(self.journal) % 256]) * 24)
        self.sent.append(m)
        self.notify(wire.completion_invocation_id(m.invocation_id_notification_idx, name))

    def _on_SendSignalCommand(self, m: Any) -> None:
        self.sent.append(m)
        if m.target_invocation_id == wire.invocation_id_to_str(ID):
            self._signal(m.signal, m)

    def _on_CompleteAwakeableCommand(self, m: Any) -> None:
        self.sent.append(m)
        named = wire.parse_awakeable_id(m.awakeable_id)
        if named.invocation_id == ID:
            self._signal(named.signal_index, m)

    def _signal(self, signal: int | str, m: Any) -> None:
        told = wire.signal_notification(
            signal, value=m.value, failure=m.failure, version=self.version
        )
        self.notify(told)

    def _on_SetStateCommand(self, m: Any) -> None:
        self.state[m.key] = m.value

    def _on_ClearStateCommand(self, m: Any) -> None:
        self.state.pop(m.key, None)

    def _on_ClearAllStateCommand(self, m: Any) -> None:
        self.state.clear()

    def _on_GetLazyStateCommand(self, m: Any) -> None:
        code, number = codes.GET_LAZY_STATE_COMPLETION, m.result_completion_id
        value = self.state.get(m.key)
        if value is None:
            self.notify(wire.completion_void(code, number))
        else:
            self.notify(wire.completion_value(code, number, value))

    def _on_GetLazyStateKeysCommand(self, m: Any) -> None:
        self.notify(wire.completion_state_keys(m.result_completion_id, sorted(self.state)))

    def _on_GetPromiseCommand(self, m: Any) -> None:
        if m.key in self.promises:
            code, number = codes.GET_PROMISE_COMPLETION, m.result_completion_id
            self.notify(wire.completion_value(code, number, self.promises[m.key]))

    def _on_PeekPromiseCommand(self, m: Any) -> None:
        code, number = codes.PEEK_PROMISE_COMPLETION, m.result_completion_id
        if m.key in self.promises:
            self.notify(wire.completion_value(code, number, self.promises[m.key]))
        else:
            self.notify(wire.completion_void(code, number))

    def _on_CompletePromiseCommand(self, m: Any) -> None:
        code, number = codes.COMPLETE_PROMISE_COMPLETION, m.result_completion_id
        if m.key in self.promises:
            failure = wire.WireFailure(409, "the promise was completed before")
            self.notify(wire.completion_failure(code, number, failure, self.version))
        else:
            self.promises[m.key] = m.value
            self.notify(wire.completion_void(code, number))

    def _on_AttachInvocationCommand(self, m: Any) -> None:
        code, number = codes.ATTACH_INVOCATION_COMPLETION, m.result_completion_id
        value = b"[7]" if isinstance(m.target, wire.IdempotentRequestTarget) else b"7"
        self.notify(wire.completion_value(code, number, value))

    def _on_GetInvocationOutputCommand(self, m: Any) -> None:
        code, number = codes.GET_INVOCATION_OUTPUT_COMPLETION, m.result_completion_id
        self.notify(wire.completion_value(code, number, b"7"))

    def _on_OutputCommand(self, m: Any) -> None:
        self._output = m

    def _on_End(self, m: Any) -> None:
        self.output = self._output

    def _on_Error(self, m: Any) -> None:
        self.retries += 1
        self.errors.append(m)

    def _on_Suspension(self, m: Any) -> None:
        self.suspensions.append(m.awaiting_on)
