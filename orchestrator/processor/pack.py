"""Packs the records of a turn into messages of the log, each near the size of one turn."""

from orchestrator.codec.records import encode_message
from orchestrator.model.limits import POSITION_INDEX_BITS, TURN_MESSAGE_BYTES
from orchestrator.model.records import AnyRecord
from orchestrator.processor.bodies import body_bytes

RECORDS_MAX = (1 << POSITION_INDEX_BITS) - 1


def pack_records(
    records: list[AnyRecord], size_bytes: int
) -> tuple[list[bytes], list[list[AnyRecord]]]:
    """Messages in order, and beside each the records that it holds.

    `size_bytes`: of what may be large in the records. One record may be larger than a turn's
    message; two or more never share one that large.
    """
    count = len(records)
    if count <= RECORDS_MAX and (count == 1 or size_bytes <= TURN_MESSAGE_BYTES):
        message = encode_message(records)
        if len(message) <= TURN_MESSAGE_BYTES or count == 1:
            return [message], [records]
    half = count // 2
    messages, parts = pack_records(records[:half], _bodies_bytes(records[:half]))
    more_messages, more_parts = pack_records(records[half:], _bodies_bytes(records[half:]))
    return messages + more_messages, parts + more_parts


def _bodies_bytes(records: list[AnyRecord]) -> int:
    """About their size, without encoding them: those that need several messages are split first."""
    return sum(map(body_bytes, records))
