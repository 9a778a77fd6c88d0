"""A broker that lets nobody in without TLS and a password, and nobody do what no rule allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from tests.parts.certificates import make_certificate
from tests.parts.kafka import KafkaBroker

ADMIN: Final = ("admin", "admin-s3cret")
USER: Final = ("perdure", "perdure-s3cret")
_LOGIN: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required"


class GuardedBroker:
    """SASL/SCRAM over TLS, and an authorizer; ADMIN may do all, USER what it is allowed."""

    def __init__(self, directory: Path) -> None:
        self.ca_file, key_store = make_certificate(directory)
        own = f'{_LOGIN} username="{ADMIN[0]}" password="{ADMIN[1]}";'
        options = {
            "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.plaintext.scram-sha-512.sasl.jaas.config": own,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(key_store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_file),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin;User:ANONYMOUS",  # the latter is the controller's listener
        }
        self.broker = KafkaBroker(directory, options, scram=dict([ADMIN, USER]))

    def options(self, user: tuple[str, str]) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.broker.bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca_file),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user[0],
            "sasl.password": user[1],
        }

    def make_topic(self, name: str, count: int) -> None:
        admin = AdminClient(self.options(ADMIN))
        admin.create_topics([NewTopic(name, count)])[name].result()
