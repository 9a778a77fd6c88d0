"""Lanes: where rows of the outbox go, each to one destination, numbered without gaps.

A partition names its lanes by number. That of a lane to an engine partition is the partition's;
all others are minted from MINTED_FIRST on in the order of their first use and never used again,
so that an acknowledgement or an entry of a ledger for a lane that is gone is never taken for that
of a later lane to the same destination. Kept in rows: never reuse a tag, never reorder a field.
"""

import msgspec

LOG_CLUSTER = "log"  # the broker cluster that the log lives on
MINTED_FIRST = 1 << 16  # above every partition's number


class Destination(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=True
):
    """Where a lane leads."""


class ToPartition(Destination, frozen=True, tag=1):
    """An engine partition of this log."""

    partition: int


class ToTopic(Destination, frozen=True, tag=2):
    """A topic of a broker cluster, both by name; `log` is the cluster that the log lives on."""

    cluster: str
    topic: str


AnyDestination = ToPartition | ToTopic


class Lane(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """A lane as its partition keeps it. Rows `trimmed + 1` to `given` are in the outbox."""

    destination: AnyDestination
    given: int = 0  # number of the last row written; the first is 1
    trimmed: int = 0  # all up to it have been taken at the destination, and are gone
    held_bytes: int = 0  # of the rows that are left, for lanes to topics
    is_closed: bool = False  # its broker cluster was deleted: nothing is sent any more
