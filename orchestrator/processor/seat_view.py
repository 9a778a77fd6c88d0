"""What others may know of a partition's seat in this process; only a `Seat` changes it."""

from orchestrator.processor.in_flight import InFlightAppend
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.processor.proposals import ProposalQueue
from orchestrator.processor.seat_states import Following, Leading, Restoring, SeatState, Stopped
from orchestrator.processor.term import Term
from orchestrator.store.port import DurableStore


class SeatView:
    """The state of a seat, to be read."""

    def __init__(self, number: int, now_s: float) -> None:
        self.number = number
        self.pending = ProposalQueue()  # what waits to be appended; others only look at it
        self.state: SeatState = Restoring(now_s)  # others only read it
        self._is_assigned = True
        self._is_unanswered = False

    @property
    def is_served(self) -> bool:
        """Assigned, and not stopped."""
        return self._is_assigned and type(self.state) is not Stopped

    @property
    def stopped(self) -> str:
        """Why it serves no more, or ""."""
        return self.state.reason if type(self.state) is Stopped else ""

    @property
    def progress(self) -> Progress | None:
        """How far it is restored, while it is."""
        return self.state.progress if type(self.state) is Restoring else None

    @property
    def lacks_store(self) -> bool:
        """Its store has failed, and none is open yet."""
        state = self.state
        if type(state) is not Restoring or not state.failure:
            return False
        return state.progress is None or not state.progress.has_begun

    @property
    def term(self) -> Term | None:
        return self.state.term

    @property
    def partition(self) -> Partition | None:
        return self.state.partition

    @property
    def store(self) -> DurableStore | None:
        opened = self.state.opened
        return None if opened is None else opened.store

    @property
    def in_flight(self) -> InFlightAppend | None:
        return self.state.in_flight

    @property
    def unanswered(self) -> bool:
        """The log has not answered for the last append, of this term or of one before."""
        return self._is_unanswered

    @property
    def is_quiet(self) -> bool:
        """Nothing waits to be appended, and nothing is in flight."""
        return not self.pending.waiting and self.state.in_flight is None

    def leaderless_s(self, now_s: float) -> float:
        """How long nobody has led here; 0 while somebody does, or once it is stopped."""
        state = self.state
        if type(state) is Following or type(state) is Restoring:
            return now_s - state.leaderless_since_s
        return 0.0

    def can_append(self) -> bool:
        state = self.state
        if not self.pending.waiting or state.in_flight is not None:
            return False
        return type(state) is Leading and not state.pauses

    @property
    def is_behind(self) -> bool:
        """Other writers' messages are in the log that this leader has not applied."""
        leading = self.state
        return type(leading) is Leading and leading.is_behind
