"""What a flush of an attempt reads of its state: it costs more than its record says.

A record that asks for keys or values is small, and applying it copies them: so the leader looks
before it proposes a flush. The keys that one flush may ask for are limited, as one record lists
them all, and what is read counts as work and bytes of the turn.
"""

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.codec.keys import object_key
from orchestrator.model.effects import AnyEffect, GetState, GetStateKeys
from orchestrator.model.limits import STATE_COMPARED_BYTES_MAX, STATE_KEYS_MAX, STATE_LISTED_MAX
from orchestrator.model.rows import InvocationRow, ObjectRow
from orchestrator.tables.state import State

CODE = "PD0309"
KEYS_OF_WORK = 32  # to list so many costs about as much as a small record
TIMES_MAX = 2  # of STATE_LISTED_MAX keys, by one flush that asks several times
READS = frozenset((GetState, GetStateKeys))


class Yield(NamedTuple):
    """What applying a record takes beyond what is in it, as far as the leader can tell."""

    work: int  # in small records
    size_bytes: int


def what_is_read(
    state: State, row: InvocationRow, effects: Sequence[AnyEffect]
) -> tuple[str, Yield | None]:
    """Why so many keys of its state may not be asked for, or what applying the effects takes, some
    of which are READS."""
    owner = state.objects.get(object_key(row.invoke.service, row.invoke.key))
    if owner is None or not owner.state_bytes:
        return "", None
    kinds = [type(effect) for effect in effects]
    listings = kinds.count(GetStateKeys)
    if listings:
        reason = _too_many_keys(owner, listings)
        if reason:
            return reason, None
    count = max(owner.state_count, len(owner.state), 1)
    listed = listings * count // KEYS_OF_WORK
    return "", Yield(listed, kinds.count(GetState) * owner.state_bytes // count)


def _too_many_keys(owner: ObjectRow, listings: int) -> str:
    if owner.state_count <= STATE_KEYS_MAX // listings:
        return ""
    # The store reads past the values to come to the next key.
    is_large = owner.state_bytes > STATE_COMPARED_BYTES_MAX
    count_max = STATE_KEYS_MAX if is_large else STATE_LISTED_MAX
    if owner.state_count > count_max:
        return f"it asks for all {owner.state_count} keys of its state, more than {count_max}"
    if listings * owner.state_count > TIMES_MAX * count_max:
        many = TIMES_MAX * count_max
        return f"it asks {listings} times at once for {owner.state_count} keys, more than {many}"
    return ""
