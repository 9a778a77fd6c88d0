"""Takes records that no message of the log can hold out of an append."""

import logging
from collections.abc import Callable

from orchestrator.model.records import AnyRecord, Journal
from orchestrator.processor.proposals import Proposal
from orchestrator.processor.too_large import paused_instead

logger = logging.getLogger("perdure.processor")


def without_too_large(
    messages: list[bytes],
    parts: list[list[AnyRecord]],
    proposals: list[Proposal],
    bytes_max: int,
    drop_attempt: Callable[[Journal], None],
) -> list[Proposal]:
    """Those of the proposals, in order, that a message of the log can hold.

    The waiters of the others are failed; a flush is replaced by a record that ends its attempt.
    """
    kept: list[Proposal] = []
    at = 0
    for message, part in zip(messages, parts, strict=True):
        if len(message) <= bytes_max:
            kept += proposals[at : at + len(part)]
        else:
            kept += _instead(proposals[at], drop_attempt)
        at += len(part)
    return kept


def _instead(proposal: Proposal, drop_attempt: Callable[[Journal], None]) -> list[Proposal]:
    logger.error("PD0306 a record is too large for the log: %s", type(proposal.record).__name__)
    record, waiter = proposal.record, proposal.waiter
    if waiter is not None:
        waiter.failed("the record is too large for the log", False)
    elif isinstance(record, Journal):
        drop_attempt(record)
        return [Proposal(paused_instead(record))]
    return []
