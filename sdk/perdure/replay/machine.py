"""What code can ask for, one method each: the commands of the protocol over a journal.

A method that has a result takes the handle that it is to settle. Completion ids count from 1 in
the order of asking; every read of state takes one, whether the server is asked or not.
"""

from typing import Any, Final

from perdure.replay import written
from perdure.replay.errors import Mismatch, Unsupported
from perdure.replay.journal import OPEN, Journal
from perdure.replay.mismatch import decode_command, describe
from perdure.replay.slot import FAILURE, INVOCATION_ID, PENDING, STATE_KEYS, VALUE, VOID, Slot
from perdure.wire import codes
from perdure.wire.calls import (
    AttachInvocationCommand,
    AttachTarget,
    CallCommand,
    GetInvocationOutputCommand,
    OneWayCallCommand,
)
from perdure.wire.commands import (
    CompleteAwakeableCommand,
    OutputCommand,
    SendSignalCommand,
    SleepCommand,
)
from perdure.wire.control import AwaitingOn, ProposeRunCompletion, encode_awaiting_on
from perdure.wire.frames import code_of, frame
from perdure.wire.futures import WireFuture
from perdure.wire.ids import awakeable_id_to_str
from perdure.wire.messages import encode
from perdure.wire.outgoing import completion_value
from perdure.wire.promises import CompletePromiseCommand, GetPromiseCommand, PeekPromiseCommand
from perdure.wire.state import (
    ClearAllStateCommand,
    ClearStateCommand,
    GetEagerStateKeysCommand,
    GetLazyStateCommand,
    GetLazyStateKeysCommand,
)
from perdure.wire.values import Pairs, WireFailure
from perdure.wire.versions import V7

_CHILDREN_MIN: Final = 64
_COMPLETION_IDS: Final = ("invocation_id_notification_idx", "result_completion_id")


class Machine(Journal):
    """A journal and the commands on it."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self._next_completion_id = 1
        self._next_signal_index = codes.USER_SIGNAL_MIN
        self._children: list[tuple[Slot, Slot]] = []  # (invocation id, result) of calls
        self._children_max = _CHILDREN_MIN
        self.stores_results = False
        """Whether results of runs are given as the server is to store them (V7)."""

    def close(self) -> None:
        """Drop all that is kept; what is in `out` may still be sent."""
        super().close()
        self._children = []

    def begin_anew(self) -> None:
        """Leave aside what earlier attempts have done, but for the signals that have come: what the
        code asks for is written behind it, with completion ids that were not used."""
        for whole in self._drop_stored():
            command = decode_command(whole)
            for name in _COMPLETION_IDS:
                number = getattr(command, name, 0)
                self._next_completion_id = max(self._next_completion_id, number + 1)

    def _completion(self, handle: Slot) -> int:
        number = self._next_completion_id
        self._next_completion_id = number + 1
        self._await(handle, number)
        return number

    def _number(self) -> int:
        number = self._next_completion_id
        self._next_completion_id = number + 1
        return number

    # -- results

    def output(self, value: bytes) -> None:
        """Give the result of the invocation and end it."""
        self._command(written.output_value(value))
        self._end()

    def output_failure(self, failure: WireFailure) -> None:
        """Give a failure as the result of the invocation and end it."""
        self._command(encode(OutputCommand(failure=failure), version=self.version))
        self._end()

    def _end(self) -> None:
        if self._stored:
            error = Mismatch(
                "the journal does not fit the code: the code has ended, the journal goes on with"
                f" {describe(self._stored[0])}",
                self.command_index + 1,
            )
            raise self.broken_by(error)
        self.out.append(written.END)
        self.close()

    # -- runs and sleeps

    def run(self, handle: Slot, name: str) -> bytes:
        """Announce an effect; return the frame of the command."""
        number = self._next_completion_id
        whole = written.run_command(number, name)
        if self.state == OPEN and not self._stored:  # as `_command` does it
            self.command_index += 1
            self.fresh_commands += 1
            self._last = whole
            self.out.append(whole)
        else:
            self._command(whole)
        self._next_completion_id = number + 1
        if self._early:
            self._await(handle, number)
        else:
            handle.number = number
            self._awaited[number] = handle
        return whole

    def propose_value(self, handle: Slot, value: bytes) -> None:
        """Offer the result of an effect; the handle is settled once it is stored."""
        number: Any = handle.number
        flags = 0
        if self.version >= V7:
            flags = codes.REQUESTED_ACK
            self._proposed[number] = (VALUE, value)
            if self.stores_results:
                self.out.append(completion_value(codes.RUN_COMPLETION, number, value))
                return
        self.out.append(written.run_value(number, value, flags))

    def propose_failure(self, handle: Slot, failure: WireFailure) -> None:
        """Offer a failure as the result of an effect."""
        number = handle.number
        assert isinstance(number, int)
        flags = 0
        if self.version >= V7:
            flags = codes.REQUESTED_ACK
            self._proposed[number] = (FAILURE, failure)
        message = ProposeRunCompletion(number, failure=failure)
        self.out.append(encode(message, version=self.version, flags=flags))

    def sleep(self, handle: Slot, wake_up_ms: int, name: str = "") -> None:
        """Wake up at a time in Unix milliseconds; a stored sleep keeps its own."""
        number = self._next_completion_id
        self._command(encode(SleepCommand(wake_up_ms, number, name)))
        self._completion(handle)

    # -- state

    def get_state(self, handle: Slot, key: bytes) -> None:
        """Read a key: VOID or VALUE, at once if the state is known."""
        if self._stored:
            self._get_again(handle, key)
        elif self.view.knows(key):
            value = self.view.get(key)
            self._command(written.eager_state(key, value))
            self._number()
            handle.settle(VOID if value is None else VALUE, value)
        else:
            self._command(encode(GetLazyStateCommand(key, self._next_completion_id)))
            self._completion(handle)

    def _get_again(self, handle: Slot, key: bytes) -> None:
        """Read a key as the journal says that it was read."""
        recorded = self._stored[0]
        if code_of(recorded) != codes.GET_EAGER_STATE:
            self._command(encode(GetLazyStateCommand(key, self._next_completion_id)))
            self._completion(handle)
            return
        command = decode_command(recorded)
        self._command(written.eager_state(key, command.value))
        self._number()
        handle.settle(VOID if command.value is None else VALUE, command.value)

    def get_state_keys(self, handle: Slot) -> None:
        """List the keys: STATE_KEYS, at once if the state is known."""
        keys: tuple[bytes, ...] | None = None
        if self._stored:
            if code_of(self._stored[0]) == codes.GET_EAGER_STATE_KEYS:
                keys = decode_command(self._stored[0]).keys or ()
        elif not self.view.partial:
            keys = self.view.keys()
        if keys is None:
            self._command(encode(GetLazyStateKeysCommand(self._next_completion_id)))
            self._completion(handle)
            return
        self._command(encode(GetEagerStateKeysCommand(keys)))
        self._number()
        handle.settle(STATE_KEYS, keys)

    def set_state(self, key: bytes, value: bytes) -> None:
        """Write a key."""
        self._command(written.set_state(key, value))
        self.view.set(key, value)

    def clear_state(self, key: bytes) -> None:
        """Remove a key."""
        self._command(encode(ClearStateCommand(key)))
        self.view.clear(key)

    def clear_all_state(self) -> None:
        """Remove all keys."""
        self._command(encode(ClearAllStateCommand()))
        self.view.clear_all()

    # -- other invocations

    def call(
        self,
        invocation_id: Slot,
        result: Slot,
        service: str,
        handler: str,
        parameter: bytes,
        key: str = "",
        headers: Pairs = (),
        idempotency_key: str | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
        name: str = "",
    ) -> None:
        """Call a handler: INVOCATION_ID, then its result."""
        number = self._next_completion_id
        if headers or idempotency_key or scope or limit_key or name:
            self._needs_scopes(scope, limit_key)
            command = CallCommand(
                service,
                handler,
                parameter,
                number,
                number + 1,
                key,
                headers,
                idempotency_key,
                scope,
                limit_key,
                name,
            )
            self._command(encode(command, version=self.version))
        else:
            self._command(written.usual_call(service, handler, parameter, key, number))
        self._completion(invocation_id)
        self._completion(result)
        self._children.append((invocation_id, result))
        if len(self._children) > self._children_max:
            self._children = [child for child in self._children if child[1].kind == PENDING]
            self._children_max = max(2 * len(self._children), _CHILDREN_MIN)

    def send(
        self,
        invocation_id: Slot,
        service: str,
        handler: str,
        parameter: bytes,
        key: str = "",
        invoke_time_ms: int = 0,
        headers: Pairs = (),
        idempotency_key: str | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
        name: str = "",
    ) -> None:
        """Have a handler called, at once (0) or at a time in Unix milliseconds: INVOCATION_ID."""
        number = self._next_completion_id
        if headers or idempotency_key or scope or limit_key or name:
            self._needs_scopes(scope, limit_key)
            command = OneWayCallCommand(
                service,
                handler,
                parameter,
                number,
                invoke_time_ms,
                key,
                headers,
                idempotency_key,
                scope,
                limit_key,
                name,
            )
            whole = encode(command, version=self.version)
        else:
            whole = written.usual_send(service, handler, parameter, key, invoke_time_ms, number)
        self._command(whole)
        self._completion(invocation_id)

    def _needs_scopes(self, scope: str | None, limit_key: str | None) -> None:
        if (scope or limit_key) and self.version < V7:
            raise self.broken_by(Unsupported("a scope or limit key", self.version, V7))

    def attach(self, handle: Slot, target: AttachTarget) -> None:
        """Wait for the result of an invocation."""
        self._command(encode(AttachInvocationCommand(target, self._next_completion_id)))
        self._completion(handle)

    def get_output(self, handle: Slot, target: AttachTarget) -> None:
        """Look at the result of an invocation: VOID if it has none yet."""
        self._command(encode(GetInvocationOutputCommand(target, self._next_completion_id)))
        self._completion(handle)

    def send_signal(
        self,
        invocation_id: str,
        signal: int | str,
        value: bytes | None = None,
        failure: WireFailure | None = None,
    ) -> None:
        """Send a signal, without anything in it if there is neither value nor failure."""
        void = value is None and failure is None
        command = SendSignalCommand(invocation_id, signal, value, failure, void)
        self._command(encode(command, version=self.version))

    # -- awakeables, signals, promises

    def awakeable(self, handle: Slot) -> str:
        """Make an awakeable; return its id."""
        index = self._next_signal_index
        self._next_signal_index = index + 1
        self._await(handle, -index)
        return awakeable_id_to_str(self.start.id, index)

    def complete_awakeable(
        self, awakeable_id: str, value: bytes | None, failure: WireFailure | None = None
    ) -> None:
        """Complete an awakeable with a value or a failure."""
        command = CompleteAwakeableCommand(awakeable_id, value, failure)
        self._command(encode(command, version=self.version))

    def signal(self, handle: Slot, name: str) -> None:
        """Wait for the next signal of a name that nobody has taken."""
        self._await(handle, name)

    def get_promise(self, handle: Slot, key: str) -> None:
        """Wait for a promise of the workflow."""
        self._command(encode(GetPromiseCommand(key, self._next_completion_id)))
        self._completion(handle)

    def peek_promise(self, handle: Slot, key: str) -> None:
        """Look at a promise: VOID if it is not completed."""
        self._command(encode(PeekPromiseCommand(key, self._next_completion_id)))
        self._completion(handle)

    def complete_promise(
        self, handle: Slot, key: str, value: bytes | None, failure: WireFailure | None = None
    ) -> None:
        """Complete a promise: VOID, or a FAILURE if it was completed before."""
        command = CompletePromiseCommand(key, self._next_completion_id, value, failure)
        self._command(encode(command, version=self.version))
        self._completion(handle)

    # -- waiting and cancelling

    def awaiting_on(self, awaiting_on: WireFuture) -> None:
        """Tell the server what the code waits for while the stream stays open (V7)."""
        if self.version >= V7:
            self.out.append(frame(codes.AWAITING_ON, encode_awaiting_on(AwaitingOn(awaiting_on))))

    def unknown_children(self) -> list[Slot]:
        """The calls to be cancelled whose invocation ids have not come yet."""
        return [
            invocation_id
            for invocation_id, result in self._children
            if result.kind == PENDING and invocation_id.kind == PENDING
        ]

    def cancel_children(self) -> None:
        """Cancel the calls without a result and take the cancellation as raised; all their ids
        are known."""
        children, self._children = self._children, []
        self.cancelled = False
        for invocation_id, result in children:
            if result.kind == PENDING:
                assert invocation_id.kind == INVOCATION_ID
                self.send_signal(invocation_id.raw, codes.CANCEL_SIGNAL)
