"""Two local checkpoints of the metadata: what a node starts from when the log was trimmed.

A file is magic, length, CRC-32 of what follows, then [identity of the log, offset, state, offset
and hash of the last message]. Each checkpoint replaces the older file, so that a torn one leaves
the other.
"""

import os
import zlib
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.codec.records import UNREADABLE
from orchestrator.registry.apply_metadata import MetadataCorrupt, MetadataState, decode_state
from orchestrator.runtime.directories import sync_directory

_MAGIC: Final = b"PDMETA1\n"
_HEAD_BYTES: Final = len(_MAGIC) + 8
_NAMES: Final = ("metadata-a", "metadata-b")


class Checkpoint(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """State of the metadata of the log `identity` after the offsets below `applied`."""

    identity: bytes
    applied: int
    state: bytes
    last_offset: int = -1  # of the last message in it, which must be there again
    last_hash: bytes = b""

    def decoded(self) -> MetadataState:
        """Raises MetadataCorrupt for a state that another version wrote."""
        return decode_state(self.state)


def load(directory: Path) -> list[Checkpoint]:
    """The checkpoints that are whole, the newest first; raises MetadataCorrupt if that cannot be
    known."""
    try:
        read = [_read(directory / name) for name in _NAMES]
    except OSError as error:
        raise MetadataCorrupt(
            f"{error.filename or directory}: {error.strerror or error}"
        ) from error
    found = [one for one in read if one is not None]
    return sorted(found, key=lambda one: one.applied, reverse=True)


def save(directory: Path, checkpoint: Checkpoint) -> int:
    """Replace the older checkpoint, durably; returns the offset below which none needs the log."""
    directory.mkdir(parents=True, exist_ok=True)
    held = {name: _applied(directory / name, checkpoint.identity) for name in _NAMES}
    older = min(_NAMES, key=lambda name: held[name])
    if held[older] < checkpoint.applied:
        _write(directory / older, checkpoint)
        held[older] = checkpoint.applied
    return max(0, min(held.values()))


def forget(directory: Path, checkpoint: Checkpoint) -> None:
    """Delete the checkpoint: the log does not have its last message, and might reach that offset
    again."""
    for name in _NAMES:
        if _read(directory / name) == checkpoint:
            (directory / name).unlink()


def _applied(path: Path, identity: bytes) -> int:
    found = _read(path)
    return found.applied if found is not None and found.identity == identity else -1


def _read(path: Path) -> Checkpoint | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    body = content[_HEAD_BYTES:]
    head = _MAGIC + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")
    if content[:_HEAD_BYTES] != head:
        return None
    try:
        return msgspec.msgpack.decode(body, type=Checkpoint)
    except UNREADABLE as error:
        # The checksum holds, so another version wrote it: not something to pass over.
        raise MetadataCorrupt(f"{path} cannot be read by this version: {error}") from None


def _write(path: Path, checkpoint: Checkpoint) -> None:
    body = msgspec.msgpack.encode(checkpoint)
    head = _MAGIC + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(head + body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)
