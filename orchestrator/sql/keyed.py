"""Rows of keyed tables: state, inbox, promises, locks."""

import time
from collections.abc import Iterator
from typing import Any

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.ids import key_partition_key
from orchestrator.model.rows import InboxRow, ObjectRow, PromiseRow, StateRow
from orchestrator.model.values import Failure
from orchestrator.sql import words
from orchestrator.tables.port import Pair
from perdure.wire.ids import invocation_id_to_str

GENERATION_BYTES = 8
_object = row_decoder(ObjectRow)
_inbox = row_decoder(InboxRow)
_state = row_decoder(StateRow)
_promise = row_decoder(PromiseRow)


def _owner(service: str, key: str) -> dict[str, Any]:
    raw = int.from_bytes(key_partition_key(key), "big")
    return {"partition_key": raw, "service_name": service, "service_key": key}


def state(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    """Objects hold small state themselves; large state is in rows of the current generation,
    which follow their object's."""
    owner, generation = ("", ""), -1
    now_ms = time.time_ns() // 1_000_000
    for raw, value in pairs:
        if raw[:1] == keys.OBJECT:
            row = _object(value)
            if 0 < row.expires_at_ms <= now_ms:
                continue
            owner, generation = (row.service, row.key), row.state_generation
            for name, content in row.state.items():
                yield _entry(row.service, row.key, name, content)
        else:
            service, key, rest = keys.parse_object_key(raw[1:])
            of_it = (service, key) == owner
            if of_it and int.from_bytes(rest[:GENERATION_BYTES], "big") == generation:
                yield _entry(service, key, rest[GENERATION_BYTES:], _state(value).value)


def _entry(service: str, key: str, name: bytes, content: bytes) -> dict[str, Any]:
    return _owner(service, key) | {
        "key": name.decode(errors="replace"),
        "key_length": len(name),
        "value": content,
        "value_utf8": words.utf8(content),
        "value_length": len(content),
    }


def inbox(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    for raw, value in pairs:
        row = _inbox(value)
        service, key, rest = keys.parse_object_key(raw[1:])
        if row.patch is None:
            yield _owner(service, key) | {
                "id": invocation_id_to_str(row.id),
                "sequence_number": int.from_bytes(rest, "big"),
                "created_at": row.created_at_ms,
            }


def promises(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    """Those of the current generation, which follow the row of their key."""
    owner, generation = ("", ""), -1
    now_ms = time.time_ns() // 1_000_000
    for raw, value in pairs:
        if raw[:1] == keys.OBJECT:
            row = _object(value)
            if not 0 < row.expires_at_ms <= now_ms:
                owner, generation = (row.service, row.key), row.generation
            continue
        service, key, rest = keys.parse_object_key(raw[1:])
        of_it = (service, key) == owner
        if not of_it or int.from_bytes(rest[:GENERATION_BYTES], "big") != generation:
            continue
        outcome = _promise(value).outcome
        shown = {"key": rest[GENERATION_BYTES:].decode(), "completed": outcome is not None}
        if isinstance(outcome, Failure):
            shown["completion_failure"] = words.failure_text(outcome)
        elif outcome is not None:
            shown["completion_success_value"] = outcome
            shown["completion_success_value_utf8"] = words.utf8(outcome)
        yield _owner(service, key) | shown


def holders(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    for _, value in pairs:
        row = _object(value)
        if row.lock:
            held = {"invocation_id": invocation_id_to_str(row.lock)}
            yield _owner(row.service, row.key) | held


def locks(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    for held in holders(pairs):
        yield {
            "partition_key": held["partition_key"],
            "lock_name": f"{held['service_name']}/{held['service_key']}",
            "acquired_by": held["invocation_id"],
        }
