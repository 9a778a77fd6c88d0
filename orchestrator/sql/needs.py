"""Which raw rows a table is read from, narrowed by what the filter pins."""

from typing import NamedTuple

from orchestrator.codec import keys
from orchestrator.sql import pushdown
from perdure.wire.errors import BadId
from perdure.wire.ids import parse_invocation_id

ALL = b""


class Need(NamedTuple):
    """One scan; of `source` "rows" those of the tables `kinds` whose keys go on with `starts`."""

    source: str
    kinds: list[bytes]
    starts: list[bytes]


ATTEMPTS = Need("attempts", [], [])
SERVICES = Need("services", [], [])
DEPLOYMENTS = Need("deployments", [], [])
SUBSCRIPTIONS = Need("subscriptions", [], [])
SOURCES = Need("sources", [], [])
LANES = Need("lanes", [], [])


def of_all(kind: bytes) -> Need:
    """All rows of a table, each key behind the number of its partition."""
    return Need("numbered rows", [kind], [ALL])


def of_ids(where: object, *kinds: bytes) -> Need:
    """Rows whose key is, or begins with, an invocation id."""
    return Need("rows", list(kinds), _ids_in(where))


def of_keys(where: object, *kinds: bytes) -> Need:
    """Rows whose key is, or begins with, a service and the key of its object."""
    return Need("rows", list(kinds), _keys_in(where))


def _ids_in(where: object) -> list[bytes]:
    """The ids the filter names, else all; what is no id has no rows."""
    ids = pushdown.pinned(where, "id")
    if ids is None:
        return [ALL]
    known = set()
    for text in ids:
        try:
            known.add(parse_invocation_id(text))
        except BadId:
            continue
    return sorted(known)


def _keys_in(where: object) -> list[bytes]:
    """The services, or services and keys, that the filter names, else all."""
    services = pushdown.pinned(where, "service_name")
    if services is None:
        return [ALL]
    names = pushdown.pinned(where, "service_key")
    if names is None:
        return sorted({service.encode() + b"\0" for service in services})
    return sorted({keys.object_key(service, key) for service in services for key in names})
