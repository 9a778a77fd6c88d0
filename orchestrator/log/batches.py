"""What every log does with a batch before it is written: check it, or answer that it is refused."""

import asyncio
from functools import partial

from orchestrator.log.port import META, AppendError, Batch, Done


def why_refused(batch: Batch, partitions: int, message_bytes_max: int) -> str:
    """Why the log takes no such batch, "" if it does. Partitions that are not there are bugs."""
    largest = 0
    for partition, messages in batch:
        assert messages, "a batch names a partition only with messages for it"
        assert META <= partition < partitions, f"no partition {partition}"
        largest = max(largest, *map(len, messages))
    if largest > message_bytes_max:
        return f"a message of {largest} bytes is larger than {message_bytes_max} bytes"
    return ""


def refuse_soon(batch: Batch, done: Done, reason: str) -> None:
    """Answer a batch that was certainly not written, from the event loop."""
    error = AppendError(reason, refused=True)
    loop = asyncio.get_running_loop()
    for partition, messages in batch:
        loop.call_soon(partial(done, partition, -1, len(messages), error))
