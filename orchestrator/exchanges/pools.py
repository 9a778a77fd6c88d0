"""The pools of connections, one per endpoint that is in use, and the ways to what has none."""

from collections.abc import Callable
from typing import TypeAlias

from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.dialing import Dialer
from orchestrator.exchanges.functions import CallThreads, FunctionCaller, FunctionPool
from orchestrator.exchanges.in_process import InProcessPool
from orchestrator.exchanges.origin import Origin
from orchestrator.exchanges.pool import Pool
from orchestrator.runtime.scheduler import CallSoon

ExchangePool: TypeAlias = Pool | InProcessPool | FunctionPool


class Pools:
    """Made when first needed, dropped when they hold nothing any more."""

    def __init__(
        self,
        dialer: Dialer,
        apps: Apps,
        functions: FunctionCaller,
        call_soon: CallSoon,
        on_read: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        self._dialer = dialer
        self._apps = apps
        self._functions = functions
        self._threads = CallThreads()
        self._call_soon = call_soon
        self._on_read = on_read
        self._on_batch = on_batch
        self._pools: dict[tuple[Origin, bool], ExchangePool] = {}

    def __bool__(self) -> bool:
        return bool(self._pools)

    def get(self, origin: Origin, http1: bool) -> ExchangePool:
        """The connections to one endpoint, or the way to an app of this process or a function."""
        at = (origin, http1)
        pool = self._pools.get(at)
        if pool is None:
            pool = self._pools[at] = self._make(origin, http1)
        return pool

    def _make(self, origin: Origin, http1: bool) -> ExchangePool:
        if origin.function:
            return FunctionPool(
                origin.function,
                origin.role,
                self._functions,
                self._threads,
                self._on_read,
                self._on_batch,
                origin.takes_zstd,
            )
        if origin.in_process:
            return InProcessPool(
                origin.host, self._apps, self._call_soon, self._on_read, self._on_batch
            )
        return Pool(origin, http1, self._dialer, self._on_read, self._on_batch)

    def sweep(self, now_s: float) -> None:
        for at, pool in list(self._pools.items()):
            pool.sweep(now_s)
            if pool.is_idle:
                del self._pools[at]

    def close(self, reason: str) -> None:
        """Close all connections; exchanges under way break."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close(reason)
