"""Small made-up things of the invoker's world."""

from collections.abc import Callable

from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.callees import Callees
from orchestrator.invoker.port import JOURNAL_BEGIN, AttemptInput
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import OBJECT_EXCLUSIVE, SERVICE, USUAL_OUTPUT, OutputRules
from orchestrator.registry.apply_metadata import MetadataState, apply_metadata
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.manifest import decode_manifest
from orchestrator.registry.register import Registration, plan_registration
from orchestrator.registry.schema import Deployment, Registry, RetryPolicy
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.registry.stored import StoredPairs

OWN_ID = bytes(range(24))
MANIFEST = b"""{
  "protocolMode": "BIDI_STREAM", "minProtocolVersion": 5, "maxProtocolVersion": 7,
  "services": [
    {"name": "Svc", "ty": "SERVICE", "handlers": [{"name": "run"}]},
    {"name": "Obj", "ty": "VIRTUAL_OBJECT",
     "handlers": [{"name": "run"}, {"name": "look", "ty": "SHARED"}]},
    {"name": "Flow", "ty": "WORKFLOW",
     "handlers": [{"name": "run", "ty": "WORKFLOW"}, {"name": "look", "ty": "SHARED"}]}
  ]
}"""


def registry(
    uri: str = "http://h:1/",
    manifest: bytes = MANIFEST,
    headers: StoredPairs = (),
    http1: bool = False,
) -> Registry:
    """One deployment, `dp_1`."""
    state = MetadataState()
    plan = plan_registration(
        state,
        Registration(DiscoveryTarget(uri, http1, headers)),
        Discovered(decode_manifest(manifest)),
        frozenset(),
        lambda: "dp_1",
        0,
    )
    assert plan.record is not None
    assert apply_metadata(state, plan.record)
    return build_registry(state, Defaults())


def deployment(uri: str, headers: StoredPairs = ()) -> Deployment:
    found = registry(uri, headers=headers).deployment("dp_1")
    assert found is not None
    return found


def invoke(kind: int = SERVICE, service: str = "Svc", key: str = "") -> Invoke:
    return Invoke(
        id=OWN_ID,
        service=service,
        handler="run",
        key=key,
        kind=kind,
        body=b"in",
        headers=(("content-type", "text/plain"),),
        created_at_ms=1,
        completion_retention_ms=1,
        journal_retention_ms=1,
    )


def given(
    what: Invoke | None = None,
    *,
    deployment: str = "",
    protocol: int = 0,
    entries: int = 1,
    commands: int | None = None,
    retry_count: int = 0,
    failures_since_entry: int = 0,
    trying_since_ms: int = 0,
    pause_requested: bool = False,
) -> AttemptInput:
    return AttemptInput(
        invoke=what or invoke(),
        incarnation=7,
        epoch=3,
        attempt=2,
        deployment=deployment,
        protocol=protocol,
        replay_end=JOURNAL_BEGIN,
        replay_bytes=0,
        entries=entries,
        commands=entries if commands is None else commands,
        retry_count=retry_count,
        failures_since_entry=failures_since_entry,
        trying_since_ms=trying_since_ms,
        pause_requested=pause_requested,
    )


def callees(partitions: int = 4, random64: Callable[[], int] = lambda: 5) -> Callees:
    known = registry()
    return Callees(lambda: known, partitions, _Chance(random64))


class _Chance:
    def __init__(self, random64: Callable[[], int]) -> None:
        self.random64 = random64

    def random_bytes(self, count: int) -> bytes:
        return b"r" * count


def attempt(
    what: AttemptInput | None = None,
    protocol: int = 7,
    policy: RetryPolicy | None = None,
    payload_bytes_max: int = 1 << 20,
    output: OutputRules = USUAL_OUTPUT,
) -> Attempt:
    made = Attempt(
        what or given(),
        policy or RetryPolicy(),
        "dp_1",
        protocol,
        callees(),
        lambda: 0.0,
        payload_bytes_max,
    )
    made.output = output
    return made


def object_attempt(protocol: int = 7) -> Attempt:
    return attempt(given(invoke(OBJECT_EXCLUSIVE, "Obj", "k")), protocol)
