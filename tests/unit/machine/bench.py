"""A partition on the bench: applies records to a real State over a dict, and remembers actions."""

from collections.abc import Iterator

from orchestrator.machine.apply import apply
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.effects import AnyEffect, Call, SetOutput
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import (
    AnnounceLeader,
    AnyRecord,
    Ended,
    Failed,
    Journal,
    Pin,
    Suspended,
)
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.values import SERVICE, Caller
from orchestrator.store.memory import MemoryStore
from orchestrator.tables.state import State
from perdure.wire import codes
from perdure.wire.calls import CallCommand, encode_call
from perdure.wire.frames import frame, split

DAY_MS = 86_400_000
PIN = Pin("dp_1", 6)


class Bench:
    """One partition of `count`; time moves by hand."""

    def __init__(self, partition: int = 0, count: int = 1) -> None:
        self.store = MemoryStore()
        self.state = State(partition, count, self.store)
        self.offset = 0
        self.now_ms = 1_000_000
        self.actions: list[AnyAction] = []
        self.do(AnnounceLeader("node", 1, self.state.partition_row.epoch))

    @property
    def epoch(self) -> int:
        return self.state.partition_row.epoch

    def do(self, record: AnyRecord) -> Answer:
        """Apply one record in a message of its own; `actions` are those of this record."""
        self.actions = []
        answer = apply(self.state, record, self.offset << POSITION_INDEX_BITS, self.actions)
        self.offset += 1
        self.state.partition_row.applied = self.offset
        return answer

    def took(self, kind: type) -> list[AnyAction]:
        return [action for action in self.actions if type(action) is kind]

    def invoke(
        self,
        invocation_id: bytes,
        *,
        service: str = "Greeter",
        handler: str = "greet",
        key: str = "",
        kind: int = SERVICE,
        start_at_ms: int = 0,
        caller: Caller | None = None,
        idempotency_key: str | None = None,
        retention_ms: int = DAY_MS,
    ) -> Answer:
        return self.do(
            Invoke(
                invocation_id,
                service,
                handler,
                key,
                kind,
                b"in",
                (),
                self.now_ms,
                retention_ms,
                retention_ms,
                idempotency_key=idempotency_key,
                start_at_ms=start_at_ms,
                caller=caller,
            )
        )

    def flush(
        self,
        invocation_id: bytes,
        *effects: AnyEffect,
        frames: bytes = b"",
        end: Ended | Suspended | Failed | None = None,
        attempt: int | None = None,
        epoch: int | None = None,
        runs: int = 0,
    ) -> Answer:
        """A Journal of the running attempt; each effect gets a frame unless `frames` is given."""
        row = self.live(invocation_id)
        raw = frames or b"".join(map(_frame_of, effects))
        entries = sum(1 for _ in split(raw))
        return self.do(
            Journal(
                self.epoch if epoch is None else epoch,
                invocation_id,
                row.incarnation if row else 0,
                (row.attempt if row else 1) if attempt is None else attempt,
                self.now_ms,
                PIN,
                raw,
                entries,
                entries,
                effects,
                end,
                runs,
            )
        )

    def finish(self, invocation_id: bytes, result: bytes = b"out") -> Answer:
        raw = frame(codes.OUTPUT, result)
        output = SetOutput(8, 8 + len(result))
        return self.flush(invocation_id, output, frames=raw, end=Ended())

    def live(self, invocation_id: bytes) -> InvocationRow | None:
        return self.state.invocations.get(invocation_id)

    def done(self, invocation_id: bytes) -> CompletedRow | None:
        return self.state.completed.get(invocation_id)

    def rows(self) -> list[tuple[bytes, bytes]]:
        """All bytes, after a spill."""
        self.state.spill()
        return list(self.store.scan(b"", b"\xff"))

    def notifications(self, invocation_id: bytes) -> Iterator[tuple[int, bytes]]:
        """(code, payload) of the stored notifications."""
        row = self.live(invocation_id)
        assert row is not None
        for chunk in row.tail:
            for code, _, start, end in split(chunk.frames):
                if code >= 0x8000:
                    yield code, chunk.frames[start + 8 : end]


def _frame_of(effect: AnyEffect) -> bytes:
    """Its kind is told by the frame of a call alone."""
    if not isinstance(effect, Call):
        return frame(codes.RUN, b"")
    numbers = effect.id_completion_id, effect.result_completion_id
    return frame(codes.CALL, encode_call(CallCommand("", "", b"", *numbers)))


def uid(number: int) -> bytes:
    """An invocation id for tests."""
    return number.to_bytes(24, "big")
