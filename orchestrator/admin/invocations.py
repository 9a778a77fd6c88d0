"""What can be done to an invocation, and the answers; routes are in `invocation_routes`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from orchestrator.admin import restart
from orchestrator.admin.errors import AdminError
from orchestrator.admin.journal_export import DOCUMENT_END, document_pieces, document_start
from orchestrator.admin.operate import ask_row, input_entry, invoke, journal, operate, read
from orchestrator.admin.ports import Ports
from orchestrator.model.answers import Answer
from orchestrator.model.records import Cancel, Kill, Pause, Purge, PurgeJournal, Resume
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.values import INBOXED, SCHEDULED
from orchestrator.processor import asking
from orchestrator.processor.port import JournalEntry, Unavailable
from orchestrator.registry.schema import Deployment
from perdure.wire import versions
from perdure.wire.ids import invocation_id_to_str, parse_invocation_id

KEEP = "keep"
LATEST_DEPLOYMENT = "latest"

NO_INVOCATION = (
    "there is no such invocation: it was purged, its retention is over, or it is of another server"
)
_REFUSED = {
    Answer.NOT_FOUND: (404, NO_INVOCATION),
    Answer.ALREADY_COMPLETED: (409, "it has completed already"),
    Answer.NOT_COMPLETED: (409, "it has not completed: cancel or kill it first"),
    Answer.NOT_RUNNING: (409, "it has not started, so there is nothing to pause"),
    Answer.NOT_STARTED: (425, "it has not started yet: there is nothing to resume"),
    Answer.CANNOT_CHANGE_DEPLOYMENT: (
        400,
        "its deployment cannot change while it runs: pause it first, or keep the deployment",
    ),
    Answer.TOO_MANY_SIGNALS: (429, "very many signals wait for it already, and it takes none"),
    Answer.DROPPED: (409, "it was changed by something else in the meantime: try again"),
}


class ExportBroken(Exception):
    """The rest of a journal cannot be read."""


Simple = type[Cancel] | type[Kill] | type[Pause] | type[Purge] | type[PurgeJournal]


def _checked(text: str, answer: Answer) -> Answer:
    refused = _REFUSED.get(answer)
    if refused is not None:
        status, why = refused
        raise AdminError(status, f"{text}: {why}")
    return answer


async def simple(ports: Ports, kind: Simple, text: str) -> Answer:
    """Cancel, kill, pause, purge, purge the journal; AdminError if it is refused."""
    record = kind(parse_invocation_id(text), ports.clock.now_ms())
    return _checked(text, await operate(ports, record))


async def resume(ports: Ports, text: str, deployment: str) -> None:
    """Go on, on the pinned deployment (`keep`), the `latest` one, or that of an id."""
    target_id = parse_invocation_id(text)
    record = Resume(target_id, ports.clock.now_ms())
    if deployment != KEEP:
        row = await ask_row(ports, target_id)
        if isinstance(row, InvocationRow) and row.status not in (SCHEDULED, INBOXED):
            chosen = _choose(ports, row, deployment)
            record = Resume(
                target_id, record.now_ms, chosen.id, row.protocol or _fresh_protocol(ports, chosen)
            )
    _checked(text, await operate(ports, record))


def _fresh_protocol(ports: Ports, deployment: Deployment) -> int:
    picked = versions.pick(
        deployment.min_protocol, deployment.max_protocol, own_max=ports.options.protocol_max
    )
    if picked is None:
        raise AdminError(400, f"{deployment.id} speaks no service protocol of this server")
    return picked


def _choose(ports: Ports, row: InvocationRow | CompletedRow, deployment: str) -> Deployment:
    """The deployment to go on with: it must serve the handler and speak the protocol."""
    registry, target = ports.metadata.known(), row.invoke
    latest = deployment == LATEST_DEPLOYMENT
    found = registry.latest(target.service) if latest else registry.deployment(deployment)
    if found is None:
        what = f"deployment of {target.service!r}" if latest else f"deployment {deployment!r}"
        raise AdminError(404, f"there is no {what}: perdure deployments list has them")
    if registry.handler_on(found.id, target.service, target.handler) is None:
        raise AdminError(400, f"{found.id} does not serve {target.service}/{target.handler}")
    if row.protocol and not found.min_protocol <= row.protocol <= found.max_protocol:
        raise AdminError(
            400,
            f"{found.id} speaks service protocol {found.min_protocol} to {found.max_protocol},"
            f" the invocation stays on {row.protocol}",
        )
    return found


async def restart_as_new(ports: Ports, text: str, upto: int, deployment: str) -> str:
    """Start a completed invocation again under a new id, with its journal from 0 to `upto`."""
    target_id = parse_invocation_id(text)
    row = await ask_row(ports, target_id)
    now_ms = ports.clock.now_ms()
    try:
        if row is not None:
            restart.check_kind(row)
    except restart.RestartRefused as error:
        raise AdminError(error.status, f"{text}: {error}") from None
    if isinstance(row, InvocationRow):
        if row.status in (SCHEDULED, INBOXED):
            raise AdminError(425, f"{text}: it has not started yet: nothing can be restarted")
        raise AdminError(409, f"{text}: it is still running: cancel or kill it first")
    if row is None or row.expires_at_ms <= now_ms:
        raise AdminError(404, f"{text}: {NO_INVOCATION}")
    kept = row.journal_expires_at_ms > now_ms
    wanted = journal if upto else input_entry
    frames = [frame for _, frame in await wanted(ports, row)] if kept else []
    try:
        restart.check_restartable(row, len(frames), upto)
        record = await asyncio.to_thread(  # a journal may be long
            restart.restarted,
            row,
            frames,
            upto,
            ports.entropy.random_bytes(16),
            _restart_deployment(ports, row, upto, deployment),
            now_ms,
        )
    except restart.RestartRefused as error:
        raise AdminError(error.status, f"{text}: {error}") from None
    await invoke(ports, record)
    return invocation_id_to_str(record.id)


def _restart_deployment(ports: Ports, row: CompletedRow, upto: int, deployment: str) -> str:
    """The id to pin; "" for the latest at the time it starts, which needs no journal."""
    if not upto:
        # Nothing is replayed, so the protocol of the old one does not bind the new one.
        row = msgspec.structs.replace(row, protocol=0)
    if deployment == KEEP and not row.deployment:
        deployment = LATEST_DEPLOYMENT
    chosen = _choose(ports, row, row.deployment if deployment == KEEP else deployment)
    return "" if deployment == LATEST_DEPLOYMENT and not upto else chosen.id


async def exported(ports: Ports, text: str) -> tuple[bytes, AsyncGenerator[bytes]]:
    """An invocation and its journal as JSON: how it starts, and the rest piece by piece, which may
    raise ExportBroken. AdminError if there is none."""
    row = await ask_row(ports, parse_invocation_id(text))
    now_ms = ports.clock.now_ms()
    if row is None or (isinstance(row, CompletedRow) and row.expires_at_ms <= now_ms):
        raise AdminError(404, f"{text}: {NO_INVOCATION}")
    if isinstance(row, CompletedRow) and row.journal_expires_at_ms <= now_ms:
        raise AdminError(410, f"{text}: its journal is gone")
    journal_chunks = asking.chunks(ports.engine.journal(row.invoke.id, row.incarnation))
    entries = await read(ports, anext(journal_chunks))
    if not entries:
        raise AdminError(410, f"{text}: its journal is gone")
    return document_start(row), _rest_of_document(ports, entries, journal_chunks)


async def _rest_of_document(
    ports: Ports,
    entries: list[JournalEntry],
    journal_chunks: AsyncGenerator[list[JournalEntry] | Unavailable],
) -> AsyncGenerator[bytes]:
    count = 0
    async with aclosing(journal_chunks):
        while entries:
            for piece in document_pieces(count, entries):
                yield piece
                await asyncio.sleep(0)  # others have their turn
            count += len(entries)
            try:
                entries = await read(ports, anext(journal_chunks, []))
            except AdminError as error:
                raise ExportBroken(str(error)) from None
    yield DOCUMENT_END
