"""The deployments of a world: what its services say of themselves, and when that is known."""

from random import Random
from typing import Any

import msgspec

from orchestrator.registry.discovery import Discovered, Target
from orchestrator.registry.manifest import decode_manifest
from orchestrator.registry.metadata import MetadataState, apply
from orchestrator.registry.register import Registration, plan_registration
from orchestrator.registry.schema import Registry, RetryPolicy
from orchestrator.registry.snapshot import Defaults, build_registry

DAY_MS = 24 * 3600 * 1000
BRIEF_MS = 70_000  # idempotent results are kept this long


class Metadata:
    """Two deployments, the second one comes later and serves the same; and those that hang."""

    def __init__(self, random: Random, hung_count: int = 0) -> None:
        inactivity_ms = random.choice((0, 60, 400, 30_000))
        self._defaults = Defaults(
            inactivity_timeout_ms=inactivity_ms,
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
        self._register(name, self._versions[self._deployed - 1], _services())

    def _register(self, name: str, versions: tuple[int, int], services: list[Any]) -> None:
        number = len(self._state.deployments) + 1
        low, high = versions
        body = {
            "protocolMode": "BIDI_STREAM" if self._bidi else "REQUEST_RESPONSE",
            "minProtocolVersion": low,
            "maxProtocolVersion": high,
            "services": services,
        }
        found = Discovered(decode_manifest(msgspec.json.encode(body)), "simulation/1", "2")
        request = Registration(Target(f"http://{name}:9080/"), force=True)
        plan = plan_registration(
            self._state, request, found, frozenset(), lambda: f"dp_{number}", number
        )
        assert plan.record is not None and apply(self._state, plan.record)
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
