"""Feeds of state: each change of a key's values, in order.

A tombstone says that a key has no value now: it is not given for one that is set again at once.
"""

import msgspec

from orchestrator.machine.feeds import give_to_feed
from orchestrator.machine.lanes import produce_bytes
from orchestrator.machine.step import Step
from orchestrator.model.rows import ObjectRow
from orchestrator.model.topic_records import Produce
from orchestrator.model.topics import STATE, RecordHeaders
from perdure.wire.ids import invocation_id_to_str


def tell_change(step: Step, owner: ObjectRow, key: bytes, value: bytes | None) -> int:
    """One change, if the feed of its service is on; how many bytes that adds to its lane."""
    feed = step.state.partition_row.state_feeds.get(owner.service)
    if feed is None:
        return 0
    name = msgspec.json.encode([owner.key, key.decode(errors="backslashreplace")])
    headers: RecordHeaders = ()
    if owner.lock:  # the invocation that holds the lock is the writer
        headers = (("perdure-invocation-id", invocation_id_to_str(owner.lock).encode()),)
    item = Produce(STATE, None, name, headers, value, step.now_ms, owner.lock)
    give_to_feed(step, feed, item)
    return produce_bytes(item)
