"""The deployments of a world: what its services say of themselves, and when that is known."""

from random import Random
from typing import Any

import msgspec

from orchestrator.model.records import Pause, Resume
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INVOKED, PAUSED
from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.manifest import decode_manifest
from orchestrator.registry.records import DeploymentDeleted
from orchestrator.registry.register import Registration, plan_registration
from orchestrator.registry.schema import Registry, RetryPolicy
from orchestrator.registry.snapshot import Defaults, build_registry

DAY_MS = 24 * 3600 * 1000
BRIEF_MS = 70_000  # idempotent results are kept this long
LATE = "Late"  # a service that is not always there


class Metadata:
    """Two deployments, of which the second one comes later and serves the same, and either may
    disappear; and those that hang."""

    def __init__(
        self, random: Random, hung_count: int = 0, inactivity_ms: int | None = None
    ) -> None:
        drawn_ms = random.choice((0, 60, 400, 30_000))
        self._defaults = Defaults(
            inactivity_timeout_ms=drawn_ms if inactivity_ms is None else inactivity_ms,
            abort_timeout_ms=900,
            lazy_state=random.random() < 0.3,
            retry=RetryPolicy(
                initial_interval_ms=20,
                factor=2.0,
                max_interval_ms=500,
                max_attempts=random.choice((None, 3, 3, 8)),
                on_max_attempts=1 + (random.random() < 0.2),
            ),
        )
        self._state = MetadataState()
        self._count = 0
        self._bidi = random.random() < 0.8
        self._versions = [(5, random.choice((5, 6, 7))), (5, 7)]
        self.registry: Registry = build_registry(self._state, self._defaults)
        self._deployed = 0
        self.deploy()
        for number in range(hung_count):
            service = {"name": f"Hung{number}", "ty": "SERVICE", "handlers": [{"name": "run"}]}
            self._register(f"hung-{number}", (5, 7), [service])

    def deploy(self) -> None:
        """Register the next deployment."""
        self._deployed += 1
        name = f"service-{self._deployed}"
        self._register(name, self._versions[min(self._deployed, 2) - 1], _services())

    def register_late(self) -> None:
        service = {"name": LATE, "ty": "SERVICE", "handlers": [{"name": "run"}]}
        self._register("late", (5, 7), [service])

    def _register(self, name: str, versions: tuple[int, int], services: list[Any]) -> None:
        number = self._count = self._count + 1
        low, high = versions
        body = {
            "protocolMode": "BIDI_STREAM" if self._bidi else "REQUEST_RESPONSE",
            "minProtocolVersion": low,
            "maxProtocolVersion": high,
            "services": services,
        }
        found = Discovered(decode_manifest(msgspec.json.encode(body)), "simulation/1", "2")
        request = Registration(DiscoveryTarget(f"http://{name}:9080/"), force=True)
        plan = plan_registration(
            self._state, request, found, frozenset(), lambda: f"dp_{number}", number
        )
        assert plan.record is not None and apply_metadata(self._state, plan.record)
        self.registry = build_registry(self._state, self._defaults)

    def mend(self) -> None:
        """If one is gone, another one comes that speaks every protocol."""
        if len(self._serving()) < self._deployed:
            self.deploy()

    def _serving(self) -> list[str]:
        """Ids of the deployments that serve everything."""
        found = self._state.deployments.values()
        return sorted(one.id for one in found if one.uri.startswith("http://service-"))

    def is_served(self) -> bool:
        """Whether every service has a deployment, if there is one at all: each serves all."""
        names = (service["name"] for service in _services())
        return not self._serving() or all(self.registry.latest(name) for name in names)

    def elsewhere(self, row: InvocationRow, now_ms: int) -> Pause | Resume | None:
        """What takes an invocation away from a deployment that is gone."""
        if not row.deployment or row.deployment in self._state.deployments:
            return None
        latest = self.registry.latest(row.invoke.service)
        if row.status == INVOKED:
            return Pause(row.invoke.id, now_ms)
        if row.status != PAUSED or latest is None:
            return None
        return Resume(row.invoke.id, now_ms, latest.id, row.protocol or latest.max_protocol)

    def remove(self, random: Random) -> None:
        """A deployment is deleted by force, whatever runs on it; perhaps it was the last one."""
        gone = random.choice(self._serving() or [""])
        if gone:
            assert apply_metadata(self._state, DeploymentDeleted(self._state.version, gone))
            self.registry = build_registry(self._state, self._defaults)


def _services() -> list[dict[str, Any]]:
    brief = {"journalRetention": 0}
    return [
        {
            "name": "Plain",
            "ty": "SERVICE",
            "handlers": [{"name": "run"}, {"name": "brief", **brief}],
            "idempotencyRetention": BRIEF_MS,
        },
        {
            "name": "Thing",
            "ty": "VIRTUAL_OBJECT",
            "handlers": [
                {"name": "write", "ty": "EXCLUSIVE"},
                {"name": "look", "ty": "SHARED"},
            ],
            "idempotencyRetention": BRIEF_MS,
        },
        {
            "name": "Flow",
            "ty": "WORKFLOW",
            "handlers": [
                {"name": "run", "ty": "WORKFLOW", "workflowCompletionRetention": BRIEF_MS},
                {"name": "click", "ty": "SHARED"},
            ],
        },
    ]
