"""Replacing the whole state of a key, and the version that guards it."""

import base64
import hashlib
from collections.abc import Iterable

from orchestrator.machine import kv
from orchestrator.machine.step import Step
from orchestrator.model.limits import (
    INBOX_PLACE_BYTES,
    STATE_COMPARED_BYTES_MAX,
    STATE_KEYS_MAX,
)
from orchestrator.model.records import PatchState
from orchestrator.model.rows import ObjectRow


def state_version(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """The version token of a state: a hash over its entries in key order."""
    digest = hashlib.sha256()
    for number, (key, value) in enumerate(sorted(pairs)):
        digest.update(number.to_bytes(8, "big") + b"\x01" + key + b"\x02" + value + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def can_compare(owner: ObjectRow) -> bool:
    """Whether one record may look at the whole state."""
    return owner.state_count <= STATE_KEYS_MAX and owner.state_bytes <= STATE_COMPARED_BYTES_MAX


def places_of(patch: PatchState) -> int:
    """How many places of an inbox cost as much as this patch: by its values and their bytes."""
    size_bytes = sum(len(value) for _, value in patch.state)
    return len(patch.state) + size_bytes // INBOX_PLACE_BYTES


def apply_patch(step: Step, owner: ObjectRow, patch: PatchState) -> None:
    """Replace the state. Nothing if the patch names a version and the state has another one, or
    has become too large to be compared."""
    if patch.version is not None:
        if not can_compare(owner):
            return
        if state_version(kv.pairs(step.state, owner)) != patch.version:
            return
    kv.clear_all(step, owner, {key for key, _ in patch.state})
    for key, value in patch.state:
        kv.put(step, owner, key, value)
