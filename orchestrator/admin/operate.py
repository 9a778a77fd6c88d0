"""Ask the engine for an operation and wait for what became of it."""

import asyncio
from typing import TypeVar

from orchestrator.admin.errors import AdminError
from orchestrator.admin.ports import Ports
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.processor.port import Operation, Reply, Unavailable

T = TypeVar("T")


async def operate(ports: Ports, operation: Operation) -> Answer:
    """The machine's answer; AdminError if there is none."""
    waiter: asyncio.Future[Answer | Unavailable] = asyncio.get_running_loop().create_future()
    ports.engine.operate(operation, lambda answer: _settle(waiter, answer))
    answer = await _within(ports, waiter)
    if isinstance(answer, Unavailable):
        raise unavailable(answer)
    return answer


async def invoke(ports: Ports, record: Invoke) -> None:
    """Append an invocation and wait until it is in the log."""
    waiter: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    forget = ports.engine.invoke(record, False, lambda reply: _settle(waiter, reply))
    try:
        reply = await _within(ports, waiter)
    finally:
        forget()
    if isinstance(reply, Unavailable):
        raise unavailable(reply)


def unavailable(reply: Unavailable) -> AdminError:
    """503 if it certainly did not happen, 500 if nobody knows."""
    if reply.kept:
        return AdminError(500, f"{reply.reason}; it is not known whether it took effect")
    return AdminError(503, reply.reason)


def _settle(waiter: asyncio.Future[T], value: T) -> None:
    if not waiter.done():
        waiter.set_result(value)


async def _within(ports: Ports, waiter: asyncio.Future[T]) -> T:
    try:
        return await asyncio.wait_for(waiter, ports.options.operate_wait_s)
    except TimeoutError:
        raise AdminError(
            500, "the partition does not answer; it is not known whether it took effect"
        ) from None
