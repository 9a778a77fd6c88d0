"""What the admin API asks of services, and what it gets: the seam to whoever speaks HTTP."""

from collections.abc import Awaitable, Callable

import msgspec

from orchestrator.registry.manifest import Manifest
from orchestrator.registry.stored import StoredPairs


class DiscoveryTarget(msgspec.Struct, frozen=True):
    """Where to ask: a normalised URI, over HTTP/1.1 if `http1`, with these headers; or the ARN of
    a function of AWS Lambda, as a role if one is to be assumed."""

    uri: str
    http1: bool = False
    additional_headers: StoredPairs = ()
    assume_role: str = ""


class Discovered(msgspec.Struct, frozen=True):
    """What came back: the manifest, the value of `x-restate-server` and the HTTP version spoken.

    `http_version` is "1.0", "1.1" or "2".
    """

    manifest: Manifest
    sdk_version: str = ""
    http_version: str = "2"


Discover = Callable[[DiscoveryTarget], Awaitable[Discovered]]
"""Raises RegistryError: META0003 unreachable or not 2xx, META0013 no manifest, META0014 an
HTTP/1.1 answer to HTTP/2."""


class Converted(msgspec.Struct, frozen=True):
    """What a deployment made of a value that it was asked to encode or to decode."""

    status: int
    content_type: str
    body: bytes
