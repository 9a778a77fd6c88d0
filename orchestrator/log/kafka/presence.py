"""Whether the topics of the log are still the ones that were opened, and as they must be.

A topic that was deleted and made again has the same name, but is not the log: nothing may be read
from it or counted as acknowledged by it.
"""

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclOperation,
    AdminClient,
    TopicDescription,
)

from orchestrator.kafka.errors import text_of
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.kafka.topic_configs import config_refusal
from orchestrator.log.kafka.topics import LOOK_AGAIN_S, LOOKS, describe
from orchestrator.log.known import LogGone
from orchestrator.log.port import LogRefused, LogUnavailable


class Presence:
    """Looks at the topics; every method blocks, and is for threads."""

    def __init__(self, admin: AdminClient, options: KafkaOptions, identity: bytes) -> None:
        self._admin = admin
        self._options = options
        self._known = identity
        _, *ids = identity.decode().split(":")
        self._ids = dict(zip((options.log_topic, options.meta_topic), ids, strict=True))
        self.refused = ""  # which right was missing when the brokers last told, in words

    def verify(self) -> None:
        """Raises `LogGone`, or `LogUnavailable` while the brokers do not tell."""
        for look in range(LOOKS):
            if look:
                time.sleep(LOOK_AGAIN_S)
            found = self._problem()
            if not found:
                return
        raise LogGone(self._known, found)

    def may_be_written(self) -> bool:
        """Whether the brokers let this node append again, as far as they tell."""
        for topic in self._described().values():
            allowed = topic.authorized_operations
            if allowed is not None and AclOperation.WRITE not in allowed:
                return False
        return True

    def config_trouble(self) -> str:
        """How the topics would lose data as they are configured now, in words; "" if they would
        not, or if the brokers do not tell."""
        try:
            refusal = config_refusal(self._admin, self._options, self._described())
        except (KafkaException, LogRefused, LogUnavailable):
            return ""
        return "" if refusal is None else str(refusal)

    def _described(self) -> dict[str, TopicDescription]:
        try:
            found = describe(self._admin, list(self._ids))
        except LogRefused as refusal:
            self.refused = str(refusal)
            raise LogUnavailable(f"Kafka cannot be read: {refusal.message}") from refusal
        except KafkaException as raised:
            raise LogUnavailable(f"Kafka cannot be read: {text_of(raised)}") from raised
        self.refused = ""
        return found

    def _problem(self) -> str:
        """What is wrong, if anything."""
        found = self._described()
        for name, wanted in self._ids.items():
            if name not in found:
                return f"topic {name} was deleted"
            if str(found[name].topic_id) != wanted:
                return f"topic {name} was deleted and made anew"
        return ""
