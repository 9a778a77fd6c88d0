"""Settings of services and handlers that declare none themselves."""

from typing import Annotated, Final

import msgspec

from orchestrator.model.values import THEN_KILL, THEN_PAUSE
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from orchestrator.runtime.kinds import ATTEMPTS, BOOLEAN, choice, duration_ms
from orchestrator.runtime.settings import Setting

_RETRY_MAX_MS: Final = 60_000


class HandlerDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ms."""

    inactivity_timeout_ms: Annotated[
        int, Setting("a service idle this long may suspend", duration_ms())
    ] = 60_000
    abort_timeout_ms: Annotated[
        int, Setting("time to suspend before it is cut off", duration_ms())
    ] = 600_000
    disable_eager_state: Annotated[
        bool, Setting("true: services read state key by key", BOOLEAN)
    ] = False
    retry_initial_interval_ms: Annotated[
        int, Setting("wait before the first retry", duration_ms())
    ] = 500
    retry_max_interval_ms: Annotated[
        int | None,
        Setting("longest wait between retries", duration_ms(), default="1m, or the first wait"),
    ] = None
    retry_max_attempts: Annotated[int | None, Setting("attempts, or unlimited", ATTEMPTS)] = 70
    retry_on_max_attempts: Annotated[
        str, Setting("what follows the last attempt", choice("pause", "kill"))
    ] = "pause"

    def defaults(self) -> Defaults:
        """As the registry resolves them."""
        initial_ms, longest_ms = self.retry_initial_interval_ms, self.retry_max_interval_ms
        retry = RetryPolicy(
            initial_interval_ms=initial_ms,
            max_interval_ms=max(_RETRY_MAX_MS, initial_ms) if longest_ms is None else longest_ms,
            max_attempts=self.retry_max_attempts,
            on_max_attempts=THEN_PAUSE if self.retry_on_max_attempts == "pause" else THEN_KILL,
        )
        return Defaults(
            inactivity_timeout_ms=self.inactivity_timeout_ms,
            abort_timeout_ms=self.abort_timeout_ms,
            lazy_state=self.disable_eager_state,
            retry=retry,
        )
