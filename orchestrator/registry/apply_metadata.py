"""What the records of the metadata change. Each names the version it saw: the first one wins. Pure.

The state is kept on disk: never reorder a field.
"""

from typing import Final, TypeVar

import msgspec

from orchestrator.codec.records import UNREADABLE
from orchestrator.model.operating import OperatingError
from orchestrator.registry.apply_topics import apply_topics
from orchestrator.registry.records import (
    AnyMetadataRecord,
    DeploymentDeleted,
    DeploymentMoved,
    DeploymentOverwritten,
    DeploymentRegistered,
    ServicePatched,
)
from orchestrator.registry.stored import StoredDeployment
from orchestrator.registry.stored_topics import TopicsState

METADATA_VERSION: Final = 1

T = TypeVar("T")


class MetadataState(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """What applying the records gives. Its values are immutable, its dicts are not."""

    version: int = 0
    deployments: dict[str, StoredDeployment] = {}
    latest: dict[str, str] = {}  # service -> id of the deployment new invocations go to
    revisions: dict[str, int] = {}  # service -> last revision ever given, so that none comes twice
    topics: TopicsState = msgspec.field(default_factory=TopicsState)


class MetadataCorrupt(OperatingError):
    """A record of the metadata log that this version cannot read."""

    def __init__(self, found: str) -> None:
        super().__init__("PD0502", f"The metadata cannot be read: {found}.")


def apply_metadata(state: MetadataState, record: AnyMetadataRecord) -> bool:
    """Change `state`; False if the record was too late or has nothing to change."""
    if record.seen != state.version:
        return False
    match record:
        case DeploymentRegistered(deployment=deployment):
            changed = deployment.id not in state.deployments
            if changed:
                _serve(state, deployment)
        case DeploymentOverwritten(deployment=deployment):
            changed = _drop(state, deployment.id)
            if changed:
                _serve(state, deployment)
        case DeploymentMoved(deployment=deployment):
            changed = deployment.id in state.deployments
            if changed:
                state.deployments[deployment.id] = deployment
        case DeploymentDeleted(id=deployment_id):
            changed = _drop(state, deployment_id)
        case ServicePatched():
            changed = _patch(state, record)
        case _:
            changed = apply_topics(state.topics, record)
    if changed:
        state.version += 1
    return changed


def _serve(state: MetadataState, deployment: StoredDeployment) -> None:
    state.deployments[deployment.id] = deployment
    for service in deployment.services:
        state.latest[service.name] = deployment.id
        state.revisions[service.name] = service.revision


def _drop(state: MetadataState, deployment_id: str) -> bool:
    gone = state.deployments.pop(deployment_id, None)
    if gone is None:
        return False
    names = {one.name for one in gone.services if state.latest.get(one.name) == deployment_id}
    if names:
        _fall_back(state, names)
    return True


def _fall_back(state: MetadataState, names: set[str]) -> None:
    """The deployment with the newest remaining revision of each serves; without one, the service
    ends."""
    newest: dict[str, tuple[int, str]] = {}
    for deployment in state.deployments.values():
        for service in deployment.services:
            if service.name in names:
                found = (service.revision, deployment.id)
                newest[service.name] = max(found, newest.get(service.name, found))
    for name in sorted(names):
        if name in newest:
            state.latest[name] = newest[name][1]
        else:
            del state.latest[name]


def _patch(state: MetadataState, record: ServicePatched) -> bool:
    deployment = state.deployments.get(state.latest.get(record.service, ""))
    if deployment is None:
        return False
    services = tuple(
        msgspec.structs.replace(one, public=record.public, settings=record.settings)
        if one.name == record.service
        else one
        for one in deployment.services
    )
    state.deployments[deployment.id] = msgspec.structs.replace(deployment, services=services)
    return True


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_RECORD: msgspec.msgpack.Decoder[AnyMetadataRecord] = msgspec.msgpack.Decoder(AnyMetadataRecord)
_STATE = msgspec.msgpack.Decoder(MetadataState)
_PREFIX = bytes([METADATA_VERSION])


def encode_record(record: AnyMetadataRecord) -> bytes:
    """A message of the metadata log: the envelope's version, then the record."""
    return _PREFIX + _ENCODER.encode(record)


def decode_record(message: bytes) -> AnyMetadataRecord:
    """Raises MetadataCorrupt for what this version does not know."""
    return _decode(_RECORD, message)


def encode_state(state: MetadataState) -> bytes:
    """The whole state, for a checkpoint."""
    return _PREFIX + _ENCODER.encode(state)


def decode_state(content: bytes) -> MetadataState:
    """Raises MetadataCorrupt for what this version does not know."""
    return _decode(_STATE, content)


def _decode(decoder: msgspec.msgpack.Decoder[T], content: bytes) -> T:
    if content[:1] != _PREFIX:
        raise MetadataCorrupt(f"metadata of an unknown version: {content[:1].hex() or 'empty'}")
    try:
        return decoder.decode(content[1:])
    except UNREADABLE as error:
        raise MetadataCorrupt(f"metadata that cannot be read: {error}") from None
