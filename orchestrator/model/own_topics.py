"""The topics that the engine itself makes for a cluster, and which of them users may not touch."""

from collections.abc import Mapping
from typing import Final

PUBLIC_PARTITIONS: Final = 8
"""Of a public topic that has to be made; who wants another number makes it before."""
LETTERS_KEPT_MS: Final = 30 * 24 * 3_600_000
"""How long a topic of dead letters that has to be made keeps them; then its own setting says."""


def letters_topic(cluster: str) -> str:
    return f"{cluster}.dlq"


def events_topic(cluster: str) -> str:
    return f"{cluster}.events"


def state_topic(cluster: str, service: str) -> str:
    return f"{cluster}.state.{service}"


def public_config(cluster: str, topic: str) -> Mapping[str, str] | None:
    """How a public topic is made where it is missing; None: it is none of the engine's."""
    if topic == letters_topic(cluster):
        return {"retention.ms": str(LETTERS_KEPT_MS)}
    if topic == events_topic(cluster):
        return {}
    return {"cleanup.policy": "compact"} if topic.startswith(state_topic(cluster, "")) else None


def is_no_source(cluster: str, topic: str) -> bool:
    """Whether nothing may consume it: what the engine keeps its state in, on any broker cluster."""
    return topic in (f"{cluster}.log", f"{cluster}.meta", f"{cluster}.ledger")


def is_no_target(cluster: str, topic: str) -> bool:
    """Whether nothing but the engine may send to it: its state, its dead letters, its feeds."""
    return is_no_source(cluster, topic) or public_config(cluster, topic) is not None
