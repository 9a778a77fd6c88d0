"""The invoker: starts attempts as slots allow, hands what they send to their partitions.

Everything runs on the event loop by callbacks. There is no timer per attempt: one sweep compares
stamps of last activity. What one read of a connection brings is one record per attempt.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.aws import AwsLambda
from orchestrator.exchanges.dialing import Dialer
from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.functions import CALLS_MAX
from orchestrator.exchanges.heads import Heads
from orchestrator.exchanges.origin import FUNCTION, BadUri
from orchestrator.exchanges.pools import Pools
from orchestrator.invoker import codes
from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.callees import Callees
from orchestrator.invoker.counts import AttemptCounts, measure_slots
from orchestrator.invoker.flusher import Flusher, half_close, propose
from orchestrator.invoker.forgetting import Forgetting
from orchestrator.invoker.lingering import Lingering
from orchestrator.invoker.make_way import MakeWay
from orchestrator.invoker.memory import AttemptMemory
from orchestrator.invoker.openings import Openings
from orchestrator.invoker.options import InvokerOptions
from orchestrator.invoker.placing import Placement, Places, Unplaced
from orchestrator.invoker.port import AttemptInput, AttemptView, LedPartition
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slices import LARGE_BYTES, RoundBudget, in_slices
from orchestrator.invoker.slot_queue import SlotWaiter
from orchestrator.invoker.slots import Slots
from orchestrator.invoker.sweep import Sweep
from orchestrator.invoker.telling import log_end, log_failure, shows_ends
from orchestrator.invoker.views import attempt_views
from orchestrator.registry.schema import Registry, RetryPolicy
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.scheduler import Scheduler, Timer
from orchestrator.runtime.telemetry import Telemetry
from perdure.wire import invocation_id_to_str

if TYPE_CHECKING:  # its library is loaded where requests are signed
    from orchestrator.exchanges.signing import Signer

_MAKE_WAY_S: Final = 0.01
_STARTED_AT_ONCE: Final = 200
_RESTARTS_MAX: Final = 3
_OBJECT_BYTES: Final = 1024  # what an attempt in this process begins with, but for its body


class Invoker:
    """Implements InvokerPort over HTTP, and for apps of this process."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        partition_count: int,
        clock: Clock,
        entropy: Entropy,
        scheduler: Scheduler,
        options: InvokerOptions | None = None,
        signer: "Signer | None" = None,
        telemetry: Telemetry | None = None,
        apps: Apps | None = None,
    ) -> None:
        self._options = options = options or InvokerOptions()
        self._clock = clock
        self._uniform = entropy.uniform
        self._scheduler = scheduler
        self.now_ms = clock.now_ms
        self.monotonic_ms = clock.monotonic_ms
        self.on_read()
        self._callees = Callees(registry, partition_count, entropy, options.cluster_name)
        self._heads = Heads(options.cluster_name, signer)
        self._places = Places(registry, options.protocol_max, self._heads.forget)
        self._pools = Pools(
            Dialer(options.services_ca_file),
            Apps() if apps is None else apps,
            AwsLambda(options.lambda_endpoint),
            scheduler.call_soon,
            self.on_read,
            self.on_batch,
        )
        self._slots = Slots(
            options.attempts_max,
            options.attempts_per_deployment_max,
            options.memory_bytes_max,
            options.memory_per_deployment_bytes_max,
        )
        telemetry = telemetry or Telemetry()
        self._counts = AttemptCounts(telemetry)
        measure_slots(telemetry, self._slots, lambda: len(self._running), options.attempts_max)
        self._running: dict[bytes, RunningAttempt] = {}
        self._held_back: set[LedPartition] = set()
        self._memory = AttemptMemory(self._slots, self._held_back, self._fill_slots)
        self.hold_memory, self.wait_for_memory = self._memory.hold, self._memory.wait
        self._flusher = Flusher(scheduler, options.flush_soon_s, options.flush_later_s)
        self.flush = self._flusher.add
        self._sweep = Sweep(clock, scheduler, self._pools)
        self._make_way_timer: Timer | None = None
        self._openings = Openings()
        self._lingering = Lingering(clock)
        self.linger = self._lingering.add
        self._idle = MakeWay(self._slots)
        self._round = RoundBudget(scheduler.call_soon, self._fill_slots)
        self._forgetting = Forgetting(
            scheduler, self._slots, self._running, self._drop, self._fill_slots
        )
        self._closed = False
        self._shows_ends = shows_ends()

    # --- the port ---

    @property
    def running_count(self) -> int:
        return len(self._running)

    def waiting_of(self, deployment: str) -> int:
        """Attempts of a deployment that wait for a slot."""
        return self._slots.waiting_of(deployment)

    def start(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> None:
        """Start an attempt as soon as a slot is free, unless one of this incarnation runs."""
        if not self._closed and not self._is_known(source, invocation_id, incarnation):
            self._start(source, invocation_id, incarnation, None)

    def notify(
        self, invocation_id: bytes, incarnation: int, index: int, frame: bytes, completion_id: int
    ) -> None:
        """Entry `index` of the journal for the running attempt."""
        running = self._running.get(invocation_id)
        if running is not None and running.incarnation == incarnation:
            running.deliver(index, frame, completion_id)

    def acknowledge(self, invocation_id: bytes, incarnation: int, command_index: int) -> None:
        """A command of the running attempt is durable."""
        running = self._running.get(invocation_id)
        if running is not None and running.incarnation == incarnation:
            data = running.attempt.delivered.acknowledge(command_index)
            if data:
                running.send(data)

    def stop(self, invocation_id: bytes, incarnation: int, abort: bool) -> None:
        """Drop the attempt without a proposal, or half-close it so that it suspends."""
        waiter = self._slots.find(invocation_id)
        if waiter is not None and waiter.incarnation == incarnation and abort:
            self._slots.leave(waiter)
        if abort:
            self._lingering.reset(invocation_id)
        running = self._running.get(invocation_id)
        if running is None or running.incarnation != incarnation:
            return
        if abort:
            self._drop(running)
            self._fill_slots()
        else:
            running.half_close()

    def forget(self, source: LedPartition) -> None:
        """The partition is not led here any more: drop its attempts without proposals."""
        self._held_back.discard(source)
        self._forgetting.forget(source)

    def views(self) -> list[AttemptView]:
        return attempt_views(self._running.values(), self._slots.held())

    def hold_back(self, source: LedPartition, held_back: bool) -> None:
        """While a partition takes nothing: read at most a window more of each of its attempts."""
        (self._held_back.add if held_back else self._held_back.discard)(source)
        for running in list(self._running.values()):  # what had arrived may end some of them
            if running.source is source:
                self._memory.hold_back(running)

    def half_close_all(self) -> None:
        """Before closing: ask every attempt to suspend, start no more."""
        self._stop_waiting()
        in_slices(self._scheduler, list(self._running.values()), half_close)

    async def close(self) -> None:
        """Break off everything that runs, without proposals."""
        self._stop_waiting()
        self._flusher.stop()
        await self._forgetting.drop_all()
        self._pools.close("the server shuts down")
        self._sweep.stop()
        if self._make_way_timer is not None:
            self._make_way_timer.cancel()

    # --- starting ---

    def _start(
        self, source: LedPartition, invocation_id: bytes, incarnation: int, turn: SlotWaiter | None
    ) -> None:
        """`turn`: what waited, and has its turn now."""
        given = source.attempt_input(invocation_id, incarnation)
        if given is None or (turn is not None and turn.attempt != given.attempt):
            return
        where = self._places.of(given)
        if isinstance(where, Unplaced):
            self._fail_unplaced(source, given, where)
            return
        slots, deployment = self._slots, where.deployment.id
        goes_on, is_old = given.entries > 1, given.is_recovered
        if (slots.has_room(deployment) and not self._round.is_spent) and (
            turn is not None
            or not slots.has_waiting(deployment, goes_on=goes_on, is_recovered=is_old)
        ):
            self._begin(source, given, where, 0)
        else:
            number = given.attempt
            self._wait(
                SlotWaiter(source, invocation_id, incarnation, number, deployment, goes_on, is_old)
            )

    def _is_known(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> bool:
        """Whether it runs or waits; one of another incarnation or source is dropped."""
        running = self._running.get(invocation_id)
        if running is not None:
            if running.incarnation == incarnation and running.source is source:
                return True
            self._drop(running)
        waiter = self._slots.find(invocation_id)
        if waiter is not None:
            if waiter.incarnation == incarnation and waiter.source is source:
                return True
            self._slots.leave(waiter)
        return False

    def _attempt(
        self, of: LedPartition, given: AttemptInput, policy: RetryPolicy, deploy: str, protocol: int
    ) -> Attempt:
        of.begins(given.invoke.id, given.attempt)
        bytes_max = self._options.payload_bytes_max
        return Attempt(given, policy, deploy, protocol, self._callees, self._uniform, bytes_max)

    def _fail_unplaced(self, source: LedPartition, given: AttemptInput, why: Unplaced) -> None:
        now_ms = self.now_ms()
        attempt = self._attempt(source, given, why.retry, given.deployment, given.protocol)
        attempt.started_at_ms = now_ms
        attempt.fail(why.restate_code, why.message, now_ms)
        self._counts.unplaced(attempt)
        log_failure(attempt, given.invoke.id, given.attempt, now_ms)
        for record in attempt.take():
            source.propose(record)

    def _begin(
        self, source: LedPartition, given: AttemptInput, where: Placement, restarts: int
    ) -> None:
        """Open the exchange of an attempt that has its slot."""
        deployment, handler, options = where.deployment, where.handler, self._options
        invoke, now_ms = given.invoke, self.now_ms()
        self._lingering.reset(invoke.id)
        attempt = self._attempt(source, given, handler.retry, deployment.id, where.protocol)
        attempt.output, attempt.started_at_ms = handler.output, now_ms
        duplex = where.streams and not given.pause_requested
        window = self._slots.take(deployment.id)
        running = RunningAttempt(self, source, given, attempt, where, duplex, window, now_ms)
        running.restart_count = restarts
        if given.retry_count:
            self._counts.retried()
        self._running[invoke.id] = running
        self._openings.add(running)
        if deployment.http1:
            self._slots.bound(deployment.id, options.attempts_per_http1_deployment_max)
        if not duplex:
            attempt.close_input()
            if deployment.uri.startswith(FUNCTION):
                self._slots.bound(deployment.id, CALLS_MAX)
        self._sweep.arm(running)
        is_replaying, objects = running.feed.is_replaying, None
        try:
            origin = self._heads.origin(deployment)
            takes_objects = origin.in_process and not is_replaying
            debug_id = "" if takes_objects else invocation_id_to_str(invoke.id)
            pool = self._pools.get(origin, deployment.http1)
            head = self._heads.invoke(deployment, invoke, where.protocol, debug_id, now_ms)
        except BadUri as error:
            running.fail(codes.NETWORK, str(error))
            return
        state: list[tuple[bytes, bytes]] = []
        partial = True
        if handler.keyed and not handler.lazy_state:
            state, has_all = source.state_of(invoke.id, options.eager_state_bytes_max)
            partial = not has_all
        chunks: list[bytes] = []
        if takes_objects:
            start_bytes = _OBJECT_BYTES + len(invoke.body)
            objects = attempt.start_objects(state, partial, now_ms)
        else:
            chunks = attempt.start_frames(debug_id, state, partial, now_ms)
            start_bytes = len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))
        running.start_bytes = running.memory_bytes = start_bytes
        running.window.memory_bytes += start_bytes
        self._slots.memory_bytes += start_bytes
        if is_replaying:
            chunks += running.read_journal(options.stream_bytes_max)
        taken_bytes = start_bytes + running.fed_bytes
        if state or taken_bytes > LARGE_BYTES:
            self._round.spend(len(state), taken_bytes)
        is_whole = not duplex and not running.feed.is_replaying
        running.exchange = exchange = Exchange(head, chunks, is_whole, running, objects)
        if deployment.http1:
            exchange.body_bytes = start_bytes + given.replay_bytes
        exchange.room_bytes = options.stream_bytes_max
        exchange.is_held_back = source in self._held_back
        if is_replaying and not is_whole:
            exchange.want_room()
        pool.open(exchange)

    # --- waiting for a slot ---

    def _wait(self, waiter: SlotWaiter) -> None:
        self._slots.wait(waiter)
        if self._make_way_timer is None:
            self._make_way_timer = self._scheduler.call_later(0, self._suspend_idle)

    def _stop_waiting(self) -> None:
        self._closed = True
        self._slots.clear()

    def _fill_slots(self) -> None:
        """Start what waits, as far as there is room; the rest has its turn after `_suspend_idle`.
        Behind many others some may wait that are over, or run already."""
        slots = self._slots
        for _ in range(_STARTED_AT_ONCE):
            waiter = slots.next() if slots.waiting_count and not self._round.is_spent else None
            if waiter is None:
                return
            if waiter.id not in self._running:
                self._start(waiter.source, waiter.id, waiter.incarnation, waiter)

    def _suspend_idle(self) -> None:
        """Ask the longest idle streams to suspend, as many as there are attempts waiting."""
        self._make_way_timer = None
        if not self._slots.waiting_count or self._closed:
            return
        self._openings.forget_slow(self.monotonic_ms())
        self._fill_slots()
        self._idle.suspend_idle(self._running.values(), self.monotonic_ms())
        self._make_way_timer = self._scheduler.call_later(_MAKE_WAY_S, self._suspend_idle)

    # --- from running attempts ---

    def opened(self, running: RunningAttempt, took_ms: int) -> None:
        self._openings.answered(running, took_ms)
        if self._slots.waiting_count:
            self._fill_slots()

    def over(self, running: RunningAttempt) -> None:
        if self._running.get(running.id) is running:
            self._release(running)
        attempt = running.attempt
        self._counts.ended(attempt, running.touched_ms - running.begun_ms)
        if attempt.failed is not None:
            log_failure(attempt, running.id, running.number, self.now_ms())
        elif self._shows_ends:
            log_end(attempt, running.id, running.number, running.touched_ms - running.begun_ms)
        propose(running)
        self._fill_slots()

    def begin_again(self, running: RunningAttempt, reason: str) -> None:
        if running.restart_count >= _RESTARTS_MAX:
            running.fail(codes.NETWORK, reason)
            return
        running.attempt.discard()
        self._release(running)
        given = running.source.attempt_input(running.id, running.incarnation)
        if given is None or self._closed:
            return
        where = self._places.of(given)
        if isinstance(where, Unplaced):
            self._fail_unplaced(running.source, given, where)
        else:
            self._begin(running.source, given, where, running.restart_count + 1)

    def on_read(self) -> None:
        """A connection read something: one look at the clocks for all of it."""
        self.read_at_ms = self.now_ms()
        self.read_touch_ms = self.monotonic_ms()

    def on_batch(self) -> None:
        """All that a connection read at once was delivered: flush what somebody waits for."""
        self._flusher.flush_now()

    def _release(self, running: RunningAttempt) -> None:
        del self._running[running.id]
        self._sweep.disarm(running)
        if running.opening:
            self._openings.ended(running)
        self._memory.release(running)

    def _drop(self, running: RunningAttempt) -> None:
        self._release(running)
        self._counts.dropped()
        running.drop()
