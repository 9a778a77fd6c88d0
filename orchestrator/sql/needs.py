"""Which raw rows a table is read from, narrowed by what the filter pins."""

from orchestrator.codec import keys
from orchestrator.sql.asked import Narrowed, Need
from perdure.wire.errors import BadId
from perdure.wire.ids import parse_invocation_id

ALL = b""


ATTEMPTS = Need("attempts", [], [])
SERVICES = Need("services", [], [])
DEPLOYMENTS = Need("deployments", [], [])
SUBSCRIPTIONS = Need("subscriptions", [], [])
SOURCES = Need("sources", [], [])
LANES = Need("lanes", [], [])


def of_all(kind: bytes) -> Need:
    """All rows of a table, each key behind the number of its partition."""
    return Need("numbered rows", [kind], [ALL])


def nothing(kind: bytes) -> Need:
    """No rows."""
    return Need("rows", [kind], [])


def of_completed(ids: list[bytes]) -> Need:
    """Rows of completed invocations."""
    return Need("rows", [keys.COMPLETED], sorted(ids))


def of_ids(narrowed: Narrowed, *kinds: bytes) -> Need:
    """Rows whose key is, or begins with, an invocation id."""
    return Need("rows", list(kinds), _ids_in(narrowed))


def of_keys(narrowed: Narrowed, *kinds: bytes) -> Need:
    """Rows whose key is, or begins with, a service and the key of its object."""
    return Need("rows", list(kinds), _keys_in(narrowed))


def _ids_in(narrowed: Narrowed) -> list[bytes]:
    """The ids the filter names, else all; what is no id has no rows."""
    ids = narrowed.pinned("id")
    if ids is None:
        return [ALL]
    known = set()
    for text in ids:
        try:
            known.add(parse_invocation_id(text))
        except BadId:
            continue
    return sorted(known)


def _keys_in(narrowed: Narrowed) -> list[bytes]:
    """The services, or services and keys, that the filter names, else all."""
    services = narrowed.pinned("service_name")
    if services is None:
        return [ALL]
    names = narrowed.pinned("service_key")
    if names is None:
        return sorted({service.encode() + b"\0" for service in services})
    return sorted({keys.object_key(service, key) for service in services for key in names})
