"""Which embedded log a directory holds, and with how many partitions: kept for ever beside it."""

import json
import secrets
from typing import Final

from orchestrator.log.embedded.segment_chain import SegmentChain
from orchestrator.log.embedded.segments import SUFFIX
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.files import UNFINISHED, Files, write_whole
from orchestrator.log.known import LogGone, verify_known
from orchestrator.log.port import LogCorrupt, LogRefused

_NAME: Final = "log.json"
_VERSION: Final = 1
_LOG_IDENTITY_BYTES: Final = 16


def open_journal(
    files: Files,
    partition_count: int,
    sizes: SegmentSizes,
    known: bytes | None = None,
    marks: Files | None = None,
) -> tuple[bytes, SegmentChain]:
    """The log of the directory, made when there is none and none is `known`.

    Raises `OSError`, `LogRefused`, `LogCorrupt`.
    """
    files.sync_names()  # a process that was killed may have left names that only memory holds
    if _NAME in files.names():
        identity = _verify(files, partition_count)
        verify_known(known, identity)
        journal = SegmentChain(files, identity, partition_count, sizes, marks)
        journal.open()
        return identity, journal
    if known is not None:
        raise LogGone(known, "its directory is empty")
    _discard_unfinished(files)
    identity = secrets.token_bytes(_LOG_IDENTITY_BYTES)
    journal = SegmentChain(files, identity, partition_count, sizes, marks)
    journal.create()
    _keep(files, identity, partition_count)  # last: what it names is there
    return identity, journal


def _verify(files: Files, partition_count: int) -> bytes:
    file = files.open(_NAME)
    try:
        kept = json.loads(file.read_at(0, 4096))
        version, identity = kept["version"], bytes.fromhex(kept["identity"])
        kept_count = int(kept["partitions"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LogCorrupt(f"{_NAME} of the log cannot be read: {error}") from error
    finally:
        file.close()
    if version != _VERSION:
        raise LogRefused(
            "PD0105",
            f"The log in the data directory has format {version}; this server reads {_VERSION}.",
            "Start the version of the server that wrote it.",
        )
    if kept_count != partition_count:
        raise LogRefused(
            "PD0104",
            f"The log in the data directory has {kept_count} partitions, not {partition_count}.",
            f"Start with --partitions {kept_count}, or give another --data-dir.",
        )
    return identity


def _discard_unfinished(files: Files) -> None:
    """A first start that was cut short may have left a segment, which nobody has used."""
    names = [name for name in files.names() if name.endswith(SUFFIX)]
    if len(names) > 1:
        raise LogCorrupt(f"{_NAME} is gone, but there are {len(names)} segments")
    for name in names:
        file = files.open(name)
        used = file.read_at(0, file.length()).rstrip(b"\0")
        file.close()
        if len(used) > 4096:  # more than a head
            raise LogCorrupt(f"{_NAME} is gone, but segment {name} holds messages")
        files.delete(name)


def _keep(files: Files, identity: bytes, partition_count: int) -> None:
    kept = {"version": _VERSION, "identity": identity.hex(), "partitions": partition_count}
    file = files.create(_NAME + UNFINISHED)
    try:
        write_whole(file, 0, json.dumps(kept).encode() + b"\n")
        file.sync()
    finally:
        file.close()
    files.rename(_NAME + UNFINISHED, _NAME)
    files.sync_names()
