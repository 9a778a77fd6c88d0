"""Where an attempt runs: the pinned deployment or the latest, and in which protocol version."""

from collections.abc import Callable

import msgspec

from orchestrator.invoker import codes
from orchestrator.invoker.port import AttemptInput
from orchestrator.registry.schema import Deployment, Handler, Registry, RetryPolicy
from perdure.wire import VERSION_MIN, pick


class Placement(msgspec.Struct, frozen=True, gc=False):
    """A handler on a deployment, and the protocol version to speak with it. `streams`: both sides
    may speak at the same time, until one suspends."""

    deployment: Deployment
    handler: Handler
    protocol: int
    streams: bool


class Unplaced(msgspec.Struct, frozen=True, gc=False):
    """It cannot run anywhere now: the attempt fails, by this policy."""

    restate_code: str
    message: str
    retry: RetryPolicy


def place(registry: Registry, given: AttemptInput, protocol_max: int) -> Placement | Unplaced:
    """Choose by what is pinned, else the newest."""
    service, name = given.invoke.service, given.invoke.handler
    if given.deployment:
        deployment = registry.deployment(given.deployment)
        why = f"deployment {given.deployment}, on which it is pinned, is not registered any more"
    else:
        deployment = registry.latest(service)
        why = f"no deployment serves {service!r}"
    if deployment is None:
        latest = registry.handler(service, name)
        policy = RetryPolicy() if latest is None else latest.retry
        return Unplaced(codes.NO_DEPLOYMENT, why, policy)
    handler = registry.handler_on(deployment.id, service, name)
    if handler is None:
        why = f"deployment {deployment.id} does not serve {service}/{name}"
        return Unplaced(codes.NO_DEPLOYMENT, why, RetryPolicy())
    return _with_version(deployment, handler, given.protocol, protocol_max)


class Places:
    """Where attempts run now; for those that are not pinned the answer is kept until metadata
    change. `changed` is called then."""

    def __init__(
        self, registry: Callable[[], Registry], protocol_max: int, changed: Callable[[], None]
    ) -> None:
        self._registry = registry
        self._protocol_max = protocol_max
        self._changed = changed
        self._seen: Registry | None = None
        self._known: dict[tuple[str, str], Placement | Unplaced] = {}

    def of(self, given: AttemptInput) -> Placement | Unplaced:
        registry = self._registry()
        if registry is not self._seen:
            self._seen = registry
            self._known.clear()
            self._changed()
        if given.deployment or given.protocol:
            return place(registry, given, self._protocol_max)
        target = (given.invoke.service, given.invoke.handler)
        found = self._known.get(target)
        if found is None:
            found = self._known[target] = place(registry, given, self._protocol_max)
        return found


def _with_version(
    deployment: Deployment, handler: Handler, pinned: int, protocol_max: int
) -> Placement | Unplaced:
    low, high = deployment.min_protocol, deployment.max_protocol
    if pinned:
        # What began in a version goes on in it, whatever the cap on new ones says.
        if pinned < VERSION_MIN or pick(low, high) is None or not low <= pinned <= high:
            why = (
                f"it began in protocol version {pinned};"
                f" deployment {deployment.id} speaks {low} to {high}"
            )
            return Unplaced(codes.PINNED_VERSION, why, handler.retry)
        return _placement(deployment, handler, pinned)
    protocol = pick(low, high, own_max=protocol_max)
    if protocol is None:
        why = (
            f"deployment {deployment.id} speaks protocol versions {low} to {high},"
            f" this server {VERSION_MIN} to {protocol_max}"
        )
        return Unplaced(codes.NO_COMMON_VERSION, why, handler.retry)
    return _placement(deployment, handler, protocol)


def _placement(deployment: Deployment, handler: Handler, protocol: int) -> Placement:
    is_duplex = deployment.bidi and not deployment.http1
    return Placement(deployment, handler, protocol, is_duplex and handler.inactivity_timeout_ms > 0)
