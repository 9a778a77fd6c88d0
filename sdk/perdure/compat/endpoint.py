"""Apps by the names of `restate.endpoint`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from perdure.compat.defining import Definition
from perdure.compat.entry_codec import Codecs, JournalValueCodec, JournalValueCodecProvider
from perdure.runtime import Attempt
from perdure.transports.application import App

Protocol = Literal["bidi", "request_response"]


class Endpoint:
    """What is served at one address."""

    def __init__(self) -> None:
        self.services: dict[str, Definition] = {}
        self.protocol: Protocol | None = None
        self.identity_keys: list[str] = []
        self.journal_value_codec: JournalValueCodec | JournalValueCodecProvider | None = None

    def bind(self, *services: Definition) -> Endpoint:
        """Add services; raises ValueError for two of one name."""
        for service in services:
            if not isinstance(service, Definition):
                raise ValueError(f"Invalid service type {service}")
            if service.name in self.services:
                raise ValueError(f"Service {service.name} already exists")
            self.services[service.name] = service
        return self

    def streaming_protocol(self) -> Endpoint:
        """Say that requests and responses stream both ways."""
        self.protocol = "bidi"
        return self

    def request_response_protocol(self) -> Endpoint:
        """Say that a response follows its request."""
        self.protocol = "request_response"
        return self

    def identity_key(self, identity_key: str) -> Endpoint:
        """Answer only requests that are signed by this key or another one that was added."""
        self.identity_keys.append(identity_key)
        return self

    def set_journal_value_codec(
        self, codec_or_provider: JournalValueCodec | JournalValueCodecProvider
    ) -> Endpoint:
        """Have values pass through a codec."""
        self.journal_value_codec = codec_or_provider
        return self

    def app(self) -> App:
        """Return the app: an ASGI application, which `python -m perdure` serves too."""
        codecs = Codecs(self.journal_value_codec)
        services = [one.with_codecs(codecs) for one in self.services.values()]
        return App(services, Attempt, self.identity_keys, self.protocol)


def app(
    services: Iterable[Definition],
    protocol: Protocol | None = None,
    identity_keys: list[str] | None = None,
    journal_value_codec: JournalValueCodec | JournalValueCodecProvider | None = None,
) -> App:
    """Make services ready to be served."""
    endpoint = Endpoint().bind(*services)
    endpoint.protocol = protocol
    endpoint.identity_keys = list(identity_keys or ())
    endpoint.journal_value_codec = journal_value_codec
    return endpoint.app()
