"""Ask the engine and wait for its answer; no answer is an AdminError."""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from typing import TypeVar

from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.processor import asking
from orchestrator.processor.asking import answer_to
from orchestrator.processor.port import (
    JournalEntry,
    LetterOperation,
    OnAnswer,
    OnReply,
    Operation,
    Unavailable,
    Unknown,
)

T = TypeVar("T")


async def operate(ports: Ports, operation: Operation) -> Answer:
    """The machine's answer."""

    def ask(on_answer: OnAnswer) -> None:
        ports.engine.operate(operation, on_answer)

    answer = await _within(ports, answer_to(ask))
    if isinstance(answer, Unavailable):
        raise unavailable_error(answer)
    return answer


async def operate_letter(ports: Ports, partition: int, operation: LetterOperation) -> Answer:
    """The machine's answer."""

    def ask(on_answer: OnAnswer) -> None:
        ports.engine.operate_letter(partition, operation, on_answer)

    answer = await _within(ports, answer_to(ask))
    if isinstance(answer, Unavailable):
        raise unavailable_error(answer)
    return answer


async def invoke(ports: Ports, record: Invoke) -> None:
    """Append an invocation and wait until it is in the log."""

    def ask(on_reply: OnReply) -> None:
        ports.engine.invoke(record, False, on_reply)

    reply = await _within(ports, answer_to(ask))
    if isinstance(reply, Unavailable):
        raise unavailable_error(reply)


async def ask_row(ports: Ports, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
    """The row of an invocation, None if there is none."""
    found: InvocationRow | CompletedRow | Unknown = await read(
        ports, asking.find(ports.engine, invocation_id)
    )
    return None if isinstance(found, Unknown) else found


async def journal(ports: Ports, row: InvocationRow | CompletedRow) -> list[JournalEntry]:
    """All entries of an invocation's journal, its input first; empty if it is gone."""
    return await read(ports, asking.collect(ports.engine.journal(row.invoke.id, row.incarnation)))


async def input_entry(ports: Ports, row: InvocationRow | CompletedRow) -> list[JournalEntry]:
    """The first entry of its journal alone; none if the journal is gone."""
    async with aclosing(
        asking.chunks(ports.engine.journal(row.invoke.id, row.incarnation))
    ) as some:
        return (await read(ports, anext(some)))[:1]


async def read(ports: Ports, asked: Awaitable[T | Unavailable]) -> T:
    """What was asked for; whatever goes wrong is a 503, since nothing is changed by it."""
    try:
        found = await asyncio.wait_for(asked, ports.options.operate_wait_s)
    except TimeoutError:
        raise AdminError(503, "the partition does not answer") from None
    if isinstance(found, Unavailable):
        raise AdminError(503, found.reason)
    return found


def unavailable_error(reply: Unavailable) -> AdminError:
    """503 if it certainly did not happen, 500 if nobody knows."""
    if reply.kept:
        return AdminError(500, f"{reply.reason}; it is not known whether it took effect")
    return AdminError(503, reply.reason)


async def _within(ports: Ports, asked: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(asked, ports.options.operate_wait_s)
    except TimeoutError:
        raise AdminError(
            500, "the partition does not answer; it is not known whether it took effect"
        ) from None
