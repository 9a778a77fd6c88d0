"""Packs the proposals of a turn into messages of the log, each near the size of one turn."""

from orchestrator.codec.records import encode_message
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import POSITION_INDEX_BITS, TURN_MESSAGE_BYTES
from orchestrator.model.records import Journal
from orchestrator.processor.proposals import Proposal

RECORDS_MAX = (1 << POSITION_INDEX_BITS) - 1


def pack(proposals: list[Proposal]) -> tuple[list[bytes], list[list[Proposal]]]:
    """Messages in order, and beside each the proposals whose records it holds.

    One record may be larger than a turn's message; two or more never share one that large.
    """
    messages: list[bytes] = []
    parts: list[list[Proposal]] = []
    _pack(proposals, messages, parts)
    return messages, parts


def _pack(proposals: list[Proposal], messages: list[bytes], parts: list[list[Proposal]]) -> None:
    count = len(proposals)
    if count <= RECORDS_MAX and (count == 1 or not _are_large(proposals)):
        message = encode_message([proposal.record for proposal in proposals])
        if len(message) <= TURN_MESSAGE_BYTES or count == 1:
            messages.append(message)
            parts.append(proposals)
            return
    half = count // 2
    _pack(proposals[:half], messages, parts)
    _pack(proposals[half:], messages, parts)


def _are_large(proposals: list[Proposal]) -> bool:
    """Certainly too large for one message: large records are not encoded to find that out."""
    size_bytes = 0
    for proposal in proposals:
        record = proposal.record
        if type(record) is Journal:
            size_bytes += len(record.frames)
        elif type(record) is Invoke:
            size_bytes += len(record.body)
    return size_bytes > TURN_MESSAGE_BYTES
