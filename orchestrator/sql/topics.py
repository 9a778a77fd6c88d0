"""Rows of topics in and out: sources, dead letters, lanes to topics, each with its partition."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from orchestrator.codec.rows import row_decoder
from orchestrator.model.lanes import ToTopic
from orchestrator.model.rows import DeadLetterRow, PartitionRow, SourceRow
from orchestrator.model.topics import DEAD_INVOCATION, DEAD_RECORD, DEAD_SEND
from orchestrator.sql import words
from orchestrator.sql.pipe import PARTITION_BYTES, lane_key
from orchestrator.tables.port import Pair

_source = row_decoder(SourceRow)
_letter = row_decoder(DeadLetterRow)
_partition = row_decoder(PartitionRow)

_KINDS: Final = {DEAD_RECORD: "record", DEAD_INVOCATION: "invocation", DEAD_SEND: "send"}


def sources(views: Iterator[Pair], pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    """`subscription` is its name, or the id of one without; `position` the next offset that is
    taken; below `committed` nothing is under way. What `views` say (end, lag, status, reason) is
    null of a source that nobody here knows."""
    beside = {key: orjson.loads(view) for key, view in views}
    for raw, value in pairs:
        row = _source(value)
        source = row.source
        beside_row = {"subscription": source.subscription} | beside.get(
            raw[PARTITION_BYTES + 1 :], {}
        )
        yield beside_row | {
            "subscription_id": source.subscription,
            "cluster": source.cluster,
            "topic": source.topic,
            "partition": source.partition,
            "generation": row.generation,
            "position": row.position,
            "committed": row.live[0] if row.live else row.position,
            "live": len(row.live),
            "opened_at": row.opened_at_ms,
        }


def letters(pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    """The value is null if it was too large to be kept: the topic has it."""
    for raw, value in pairs:
        row = _letter(value)
        letter, origin = row.letter, row.letter.origin
        request = letter.produce
        content = letter.value
        if content is None and request is not None:
            content = request.value
        found: dict[str, Any] = {
            "id": letter_id(raw),
            "kind": _KINDS[letter.kind],
            "reason": letter.reason,
            "message": letter.message,
            "created_at": letter.now_ms,
            "attempts": letter.attempts,
            "invocation_id": words.id_or_none(letter.invocation_id),
            "target_service_name": letter.service or None,
            "target_handler_name": letter.handler or None,
            "target_service_key": letter.key or None,
            "value": content,
            "value_utf8": None if content is None else words.utf8(content),
            "value_length": len(content) if content is not None else letter.value_bytes,
            "publish_error": row.publish_error or None,
        }
        if origin is not None:
            found |= _origin_columns(origin)
        elif request is not None:
            key = request.key
            found |= {"cluster": request.cluster, "topic": request.topic, "record_key": key}
        yield found


def _origin_columns(origin: Any) -> dict[str, Any]:
    source = origin.source
    return {
        "subscription_id": source.subscription,
        "cluster": source.cluster,
        "topic": source.topic,
        "topic_partition": source.partition,
        "topic_offset": origin.offset,
        "record_key": origin.key,
    }


def letter_id(raw: bytes) -> str:
    """Partition and key of its row: `3-00000000001000000000`."""
    partition = int.from_bytes(raw[:PARTITION_BYTES], "big")
    return f"{partition}-{raw[PARTITION_BYTES + 1 :].hex()}"


def lanes(views: Iterator[Pair], pairs: Iterator[Pair]) -> Iterator[dict[str, Any]]:
    """Lanes to topics; `views` say since when rows wait, and why they cannot be sent now, the
    rows why a feed stopped."""
    beside = {key: orjson.loads(view) for key, view in views}
    for raw, value in pairs:
        row = _partition(value)
        partition = int.from_bytes(raw[:PARTITION_BYTES], "big")
        for number, lane in sorted(row.lanes.items()):
            to = lane.destination
            if not isinstance(to, ToTopic):
                continue
            view = beside.get(lane_key(partition, number), {})
            status, reason = "open", view.get("reason")
            if reason is not None:
                status = "retrying"
            if to.topic in row.stopped_feeds:
                status, reason = "stopped", row.stopped_feeds[to.topic]
            if lane.is_closed:
                status = "closed"
            yield {
                "partition": partition,
                "lane": number,
                "cluster": to.cluster,
                "topic": to.topic,
                "rows": lane.given - lane.trimmed,
                "bytes": lane.held_bytes,
                "oldest": view.get("oldest"),
                "status": status,
                "reason": reason,
            }
