"""Packs the records of a turn into messages of the log, each near the size of one turn."""

from orchestrator.codec.records import encode_message
from orchestrator.model.limits import POSITION_INDEX_BITS, TURN_MESSAGE_BYTES
from orchestrator.model.records import AnyRecord

RECORDS_MAX = (1 << POSITION_INDEX_BITS) - 1


def pack(records: list[AnyRecord]) -> tuple[list[bytes], list[list[AnyRecord]]]:
    """Messages in order, and beside each the records it holds.

    One record may be larger than a turn's message; two or more never share one that large.
    """
    messages: list[bytes] = []
    parts: list[list[AnyRecord]] = []
    _pack(records, messages, parts)
    return messages, parts


def _pack(records: list[AnyRecord], messages: list[bytes], parts: list[list[AnyRecord]]) -> None:
    count = len(records)
    if count <= RECORDS_MAX:
        message = encode_message(records)
        if len(message) <= TURN_MESSAGE_BYTES or count == 1:
            messages.append(message)
            parts.append(records)
            return
    half = count // 2
    _pack(records[:half], messages, parts)
    _pack(records[half:], messages, parts)
