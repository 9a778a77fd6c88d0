"""Heads of requests to services, in the form of HTTP/2; what never changes is made once."""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from orchestrator.exchanges.origin import Origin, parse_origin
from orchestrator.model.api_headers import API_VERSION
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import TRACESTATE_BYTES_MAX
from orchestrator.registry.addresses import OWN_HEADERS, RESERVED_HEADERS
from orchestrator.registry.schema import Deployment, StoredPairs
from orchestrator.runtime.version import own_version
from perdure.wire import media_type

if TYPE_CHECKING:  # its library is loaded where requests are signed
    from orchestrator.exchanges.signing import Signer

Head = list[tuple[bytes, bytes]]

_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE: Final = re.compile(r"[\x20-\x7e]*\Z")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")
# Services refuse a request whose head is too large (16 KiB in all is common), and a retry would
# carry the same head: fields that only inform are left out instead.
_ESCAPED_KEY_BYTES_MAX: Final = 4 * 1024  # the service has it in its Start message too
_OWN: Final = OWN_HEADERS | {API_VERSION}


def clean_headers(pairs: StoredPairs) -> Head:
    """Headers of a deployment as they may be sent; what would break a request is left out."""
    head: Head = []
    for name, value in pairs:
        name, value = name.strip().lower(), value.strip()
        if name.startswith(RESERVED_HEADERS) or name in _OWN:
            continue
        if _NAME.match(name) and _VALUE.match(value):
            head.append((name.encode(), value.encode()))
    return head


def cluster_header(name: str) -> Head:
    """What tells a service the name of the cluster, if that can be said in a header."""
    value = name.strip()
    return [(b"x-restate-cluster-name", value.encode())] if _VALUE.match(value) else []


def base_head(origin: Origin, method: str, path: str) -> Head:
    """The four fields every request begins with."""
    return [
        (b":method", method.encode()),
        (b":scheme", b"https" if origin.tls else b"http"),
        (b":authority", origin.authority),
        (b":path", (origin.prefix + path).encode()),
    ]


class Heads:
    """Makes the heads of invocation requests."""

    def __init__(self, cluster_name: str, signer: "Signer | None") -> None:
        self._cluster_name = cluster_name
        self._signer = signer
        self._made: dict[tuple[str, str, str, int], Head] = {}
        self._origins: dict[str, Origin] = {}

    def origin(self, deployment: Deployment) -> Origin:
        """Where a deployment is; raises BadUri."""
        origin = self._origins.get(deployment.id)
        if origin is None:
            stored = deployment.stored
            origin = parse_origin(stored.uri, stored.assume_role, stored.compression)
            self._origins[deployment.id] = origin
        return origin

    def forget(self) -> None:
        """Deployments changed: make all anew."""
        self._made.clear()
        self._origins.clear()

    def invoke(
        self, deployment: Deployment, invoke: Invoke, protocol: int, debug_id: str, now_ms: int
    ) -> Head:
        """The head of a request for an attempt, without its id if that is ""; raises BadUri."""
        at = (deployment.id, invoke.service, invoke.handler, protocol)
        made = self._made.get(at)
        if made is None:
            made = self._made[at] = self._static(deployment, invoke, protocol)
        head = [*made]
        if debug_id:
            head.append((b"x-restate-invocation-id", debug_id.encode()))
        key = invoke.key
        if key:
            escaped = key if key.isascii() and key.isalnum() else quote(key, safe="")
            if len(escaped) <= _ESCAPED_KEY_BYTES_MAX:
                head.append((b"x-restate-service-key", escaped.encode()))
        parent, state = invoke.trace
        if parent and _TRACEPARENT.match(parent):
            head.append((b"traceparent", parent.encode()))
            if state and len(state) <= TRACESTATE_BYTES_MAX and _VALUE.match(state):
                head.append((b"tracestate", state.encode()))
        if self._signer is not None:
            path = f"/invoke/{invoke.service}/{invoke.handler}"
            head += self._signer.headers(path, invoke.key, now_ms // 1000)
        return head

    def _static(self, deployment: Deployment, invoke: Invoke, protocol: int) -> Head:
        origin = self.origin(deployment)
        head = base_head(origin, "POST", f"/invoke/{invoke.service}/{invoke.handler}")
        stream = media_type(protocol).encode()
        head += [(b"content-type", stream), (b"accept", stream)]
        head.append((API_VERSION.encode(), own_version().encode()))
        if self._cluster_name:
            head += cluster_header(self._cluster_name)
        return head + clean_headers(deployment.additional_headers)
