"""How many keys a handler may ask for at once: one record lists them all.

The leader looks before it proposes a flush, as with the limits of a journal.
"""

from orchestrator.codec.keys import object_key
from orchestrator.model.limits import STATE_COMPARED_BYTES_MAX, STATE_KEYS_MAX, STATE_LISTED_MAX
from orchestrator.model.rows import InvocationRow
from orchestrator.tables.state import State

CODE = "PD0309"


def too_many_keys(state: State, row: InvocationRow) -> str:
    """Why all keys of its state may not be asked for; "" if they may."""
    owner = state.objects.get(object_key(row.invoke.service, row.invoke.key))
    if owner is None or owner.state_count <= STATE_KEYS_MAX:
        return ""
    # The store reads past the values to come to the next key.
    is_large = owner.state_bytes > STATE_COMPARED_BYTES_MAX
    count_max = STATE_KEYS_MAX if is_large else STATE_LISTED_MAX
    if owner.state_count <= count_max:
        return ""
    return f"it asks for all {owner.state_count} keys of its state, more than {count_max}"
