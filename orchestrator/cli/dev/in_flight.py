"""Which invocations under way no longer fit the code of an app.

Their journals are replayed by `perdure.replaying` in a process of its own, which loads the app.
"""

import asyncio
import json
import sys
from typing import Final

from orchestrator.admin.journal_export import JournalDocument, journal_document
from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.rows import InvocationRow
from orchestrator.processor import asking
from orchestrator.processor.port import Engine, Unavailable

CHECKED_MAX: Final = 200
JOURNALS_BYTES_MAX: Final = 16 * 1024 * 1024
_decode = row_decoder(InvocationRow)


async def misfits(engine: Engine, app: str) -> list[str]:
    """A report for people of each that does not replay; empty if that cannot be known."""
    documents = await _documents(engine)
    if not documents:
        return []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.replaying", "--json", "-", app),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate(json.dumps(documents).encode())
    finally:
        if process.returncode is None:
            process.kill()
    reports = json.loads(out) if out else []
    return [one["report"] for one in reports if not one["fits"]]


async def _documents(engine: Engine) -> list[JournalDocument]:
    """The journals of invocations that have begun; the newest, if there are many."""
    rows = [row for number in range(engine.partition_count) for row in await _live(engine, number)]
    rows.sort(key=lambda row: row.invoke.created_at_ms, reverse=True)
    documents, left_bytes = [], JOURNALS_BYTES_MAX
    for row in rows[:CHECKED_MAX]:
        left_bytes -= row.journal_bytes
        if left_bytes < 0:
            break
        entries = await asking.collect(engine.journal(row.invoke.id, row.incarnation))
        if not isinstance(entries, Unavailable) and entries:
            documents.append(journal_document(row, entries))
    return documents


async def _live(engine: Engine, partition: int) -> list[InvocationRow]:
    found = await asking.collect(engine.export(partition, [keys.INVOCATION], [b""]))
    if isinstance(found, Unavailable):
        return []
    rows = [_decode(value) for _, value in found]
    return [row for row in rows if row.entries > 1]
