"""The pools of connections, one per endpoint that is in use."""

from collections.abc import Callable

from orchestrator.invoker.dialing import Dialer
from orchestrator.invoker.origin import Origin
from orchestrator.invoker.pool import Pool


class Pools:
    """Made when first needed, dropped when they hold nothing any more."""

    def __init__(
        self, dialer: Dialer, on_read: Callable[[], None], on_batch: Callable[[], None]
    ) -> None:
        self._dialer = dialer
        self._on_read = on_read
        self._on_batch = on_batch
        self._pools: dict[tuple[Origin, bool], Pool] = {}

    def __bool__(self) -> bool:
        return bool(self._pools)

    def get(self, origin: Origin, http1: bool) -> Pool:
        """The connections to one endpoint."""
        at = (origin, http1)
        pool = self._pools.get(at)
        if pool is None:
            pool = Pool(origin, http1, self._dialer, self._on_read, self._on_batch)
            self._pools[at] = pool
        return pool

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
