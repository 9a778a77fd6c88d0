"""What is served at one address: services by name, and who may call. Knows no transport."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from perdure.ambient import warn_of_ambient
from perdure.definitions import HandlerDefinition, ServiceDefinition
from perdure.discovery import ProtocolMode, manifest, manifest_type, pick_manifest_version
from perdure.errors import BadDefinition
from perdure.identity import BadIdentity, Identity
from perdure.misuse import misuse
from perdure.service import definition_of
from perdure.wire.versions import is_supported, parse_media_type

SDK_NAME: Final = "perdure-sdk-python/0.1.0"
TEXT: Final = "text/plain; charset=utf-8"
_ROUTES_MAX: Final = 10_000  # paths that differ in their prefix are no reason to grow


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is whole."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """An invocation to run: its handler, and the version of the service protocol."""

    handler: HandlerDefinition
    version: int
    content_type: str


def refusal(status: int, message: str) -> Answer:
    """Return an answer for people."""
    return Answer(status, TEXT, message.encode())


class Endpoint:
    """Services, checked and ready; raises BadDefinition for what cannot be served together."""

    def __init__(self, services: Iterable[Any], identity_keys: Iterable[str] = ()) -> None:
        self.services: dict[str, ServiceDefinition] = {}
        for service in services:
            self._bind(definition_of(service))
        if isinstance(identity_keys, str):
            raise misuse("identity_keys is a list of keys, not one")
        keys = tuple(identity_keys)
        self._identity = Identity(keys) if keys else None
        self._handlers: dict[str, HandlerDefinition] = {}  # by path
        self._versions: dict[str, int] = {}  # by content type

    def _bind(self, found: ServiceDefinition) -> None:
        earlier = self.services.get(found.name)
        if earlier is not None and earlier is not found:
            raise BadDefinition(
                f"two services are called {found.name!r}; the other is at"
                f" {earlier.file}:{earlier.line}",
                found.file,
                found.line,
            )
        self.services[found.name] = found
        for handler in found.handlers.values():
            warn_of_ambient(handler.fn)

    def unsigned(self) -> "Endpoint":
        """The same services for callers that need not sign."""
        return self if self._identity is None else Endpoint(self.services.values())

    def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        mode: ProtocolMode,
        compression: str | None = None,
    ) -> Answer | Accepted:
        """Answer a request, or say which handler is to be run for it.

        `path` is without the query, its escapes as they came; names of headers are lower case.
        `compression` is what the transport can undo, for the manifest.
        """
        if path.endswith("/health"):
            return Answer(200, "application/json", b'{"status":"ok"}')
        handler = self._handlers.get(path)
        if handler is None:
            parts = path.rsplit("/", 3)
            if parts[-1] == "discover":
                return self._discover(method, headers, mode, compression)
            if len(parts) < 4 or parts[1] != "invoke":
                return refusal(404, "nothing is served at this path")
            found = self._find(unquote(parts[2]), unquote(parts[3]))
            if isinstance(found, Answer):
                return found
            handler = found
            if len(self._handlers) < _ROUTES_MAX:
                self._handlers[path] = handler
        if self._identity is not None:
            refused = self._check(headers, f"/invoke/{path.split('/invoke/', 1)[-1]}")
            if refused is not None:
                return refused
        if method != "POST":
            return refusal(405, "invocations are POST requests")
        content_type = headers.get("content-type", "")
        version = self._versions.get(content_type)
        if version is None:
            version = parse_media_type(content_type)
            if version is None or not is_supported(version):
                return refusal(415, f"this SDK does not speak {content_type!r}")
            self._versions[content_type] = version
        return Accepted(handler, version, content_type)

    def _find(self, service: str, name: str) -> HandlerDefinition | Answer:
        found = self.services.get(service)
        if found is None:
            known = ", ".join(self.services)
            return refusal(404, f"there is no service {service!r} here, only: {known}")
        handler = found.handlers.get(name)
        if handler is None:
            known = ", ".join(found.handlers)
            return refusal(404, f"{service!r} has no handler {name!r}, only: {known}")
        return handler

    def _discover(
        self,
        method: str,
        headers: Mapping[str, str],
        mode: ProtocolMode,
        compression: str | None,
    ) -> Answer:
        if self._identity is not None:
            refused = self._check(headers, "/discover")
            if refused is not None:
                return refused
        if method != "GET":
            return refusal(405, "discovery is a GET request")
        version = pick_manifest_version(headers.get("accept", ""))
        if version is None:
            return refusal(415, f"no manifest in any form of {headers.get('accept')!r}")
        body = manifest(self.services.values(), mode, version, compression)
        return Answer(200, manifest_type(version), body)

    def _check(self, headers: Mapping[str, str], path: str) -> Answer | None:
        assert self._identity is not None
        try:
            self._identity.check(headers, path)
        except BadIdentity as error:
            return refusal(401, f"not signed by a key of this endpoint: {error}")
        return None
