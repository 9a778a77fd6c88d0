"""Every change of the metadata, one kind each. Each names the version that it saw.

Kept on disk: never reuse a tag, never reorder a field.
"""

import msgspec

from orchestrator.registry.stored import Settings, StoredDeployment
from orchestrator.registry.stored_topics import StoredCluster, StoredStart, StoredSubscription


class MetadataRecord(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=True
):
    """A change that was made looking at version `seen`."""

    seen: int


class DeploymentRegistered(MetadataRecord, frozen=True, tag=1):
    """A new deployment: its services become the latest revisions."""

    deployment: StoredDeployment


class DeploymentOverwritten(MetadataRecord, frozen=True, tag=2):
    """The services of a deployment are these now, and the latest revisions; same id."""

    deployment: StoredDeployment


class DeploymentMoved(MetadataRecord, frozen=True, tag=3):
    """A deployment has another address; its services, and who is the latest, stay."""

    deployment: StoredDeployment


class DeploymentDeleted(MetadataRecord, frozen=True, tag=4):
    """A deployment is gone; of its services the newest remaining revisions serve."""

    id: str


class ServicePatched(MetadataRecord, frozen=True, tag=5):
    """Options of the latest revision of a service: these, until it is discovered again."""

    service: str
    public: bool
    settings: Settings


class KafkaClusterCreated(MetadataRecord, frozen=True, tag=6):
    """A broker cluster has a name now."""

    cluster: StoredCluster


class KafkaClusterPatched(MetadataRecord, frozen=True, tag=7):
    """A broker cluster is reached by other options."""

    cluster: StoredCluster


class KafkaClusterDeleted(MetadataRecord, frozen=True, tag=8):
    """A broker cluster that no subscription uses is gone."""

    name: str


class SubscriptionCreated(MetadataRecord, frozen=True, tag=9):
    """Topics invoke a handler from now on."""

    subscription: StoredSubscription


class SubscriptionPatched(MetadataRecord, frozen=True, tag=10):
    """Settings of a subscription that leave its sources where they are."""

    id: str
    name: str
    options: tuple[tuple[str, str], ...]
    max_in_flight: int
    dead_letter_failures: bool


class SubscriptionPaused(MetadataRecord, frozen=True, tag=11):
    """Nothing more is read until it is resumed, for this reason."""

    id: str
    reason: str


class SubscriptionResumed(MetadataRecord, frozen=True, tag=12):
    """It is read again; with `past_gap` sources that stand before a gap go past it."""

    id: str
    past_gap: bool


class SubscriptionSought(MetadataRecord, frozen=True, tag=13):
    """A new generation that starts there; or at `undecided`, once it is known where that is."""

    id: str
    starts: tuple[StoredStart, ...]
    undecided: str
    kafka_id: str


class SubscriptionDecided(MetadataRecord, frozen=True, tag=14):
    """Where a generation starts that could not be decided when it was made."""

    id: str
    generation: int
    starts: tuple[StoredStart, ...]
    kafka_id: str


class SubscriptionDeleted(MetadataRecord, frozen=True, tag=15):
    """Its topics invoke nothing any more."""

    id: str


class FeedsSwitched(MetadataRecord, frozen=True, tag=16):
    """Which feeds are on: that of events, and those of the state of these services, sorted."""

    events: bool
    states: tuple[str, ...]


class LedgerTakenOver(MetadataRecord, frozen=True, tag=17):
    """What a log that is gone wrote into the ledger of a broker cluster counts no longer."""

    cluster: str
    log: bytes


AnyTopicsRecord = (
    KafkaClusterCreated
    | KafkaClusterPatched
    | KafkaClusterDeleted
    | SubscriptionCreated
    | SubscriptionPatched
    | SubscriptionPaused
    | SubscriptionResumed
    | SubscriptionSought
    | SubscriptionDecided
    | SubscriptionDeleted
    | FeedsSwitched
    | LedgerTakenOver
)
AnyMetadataRecord = (
    DeploymentRegistered
    | DeploymentOverwritten
    | DeploymentMoved
    | DeploymentDeleted
    | ServicePatched
    | AnyTopicsRecord
)
