"""The processor: all partitions of a process, their life, and the way in to them."""

from collections.abc import Callable

from orchestrator.invoker.port import InvokerPort
from orchestrator.log.port import Log
from orchestrator.outbox.port import LaneView
from orchestrator.processor.admission import Admission
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.router import Router
from orchestrator.processor.seats import Seats
from orchestrator.processor.topics import NodeTopics
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.store.port import StoreHome


class Processor:
    """Begins and ends what serves the partitions; faces talk to its `engine`."""

    def __init__(
        self,
        log: Log,
        open_home: Callable[[int], StoreHome],
        invoker: InvokerPort,
        clock: Clock,
        entropy: Entropy,
        scheduler: Scheduler,
        options: ProcessorOptions,
        telemetry: Telemetry | None = None,
        topics: NodeTopics | None = None,
    ) -> None:
        self.telemetry = Telemetry() if telemetry is None else telemetry
        self._seats = Seats(
            log,
            open_home,
            invoker,
            clock,
            entropy,
            scheduler,
            options,
            self.telemetry,
            NodeTopics() if topics is None else topics,
        )
        self._door = Admission(log, scheduler, options, self._seats.all)
        self.engine = Router(
            log.partition_count, self._seats, self._door, clock, entropy, scheduler
        )

    def start(self) -> None:
        """Ask the log for partitions to lead."""
        self._seats.start()

    def refuse_new_work(self, reason: str) -> None:
        """Refuse new work; what is under way goes on."""
        self._door.shut_reason = reason

    def remove_expired(self) -> None:
        """Begin to remove what has expired by now; else it is done every `cleanup_s`."""
        self._seats.remove_expired()

    async def close(self, wait_s: float = 5.0) -> None:
        """Wait for the in-flight appends, spill, and close the stores."""
        self.refuse_new_work("the server is shutting down")
        await self._seats.close(wait_s)

    def leading(self) -> list[int]:
        """Partitions led here."""
        return [seat.number for seat in self._seats.all() if seat.term is not None]

    def broker_troubles(self) -> dict[str, str]:
        """By broker cluster: why nothing can be sent to it now from a partition led here."""
        terms = [seat.term for seat in self._seats.all() if seat.term is not None]
        return {name: why for term in terms for name, why in term.broker_troubles()}

    def lane_views(self) -> dict[tuple[int, int], LaneView]:
        """By partition and lane: lanes to topics that have rows, where led here."""
        return {
            (seat.number, lane): view
            for seat in self._seats.all()
            if seat.term is not None
            for lane, view in seat.term.lane_views()
        }

    def stopped(self) -> dict[int, str]:
        """Partitions that serve no more, with the reason."""
        return {seat.number: seat.stopped for seat in self._seats.all() if seat.stopped}
