"""Clocks, chance and threads in handlers: named by file and line when an app is made."""

import asyncio
import concurrent.futures
import datetime as dt
import functools
import os
import random
import secrets
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import randint
from typing import Any
from uuid import uuid4

import perdure

service = perdure.Service("Ambient")


@service.handler
async def clocks(ctx: perdure.Context) -> list[Any]:
    first = time.time()
    return [first, datetime.now(), dt.datetime.utcnow(), dt.date.today(), time.perf_counter()]


@service.handler
async def chance(ctx: perdure.Context) -> list[Any]:
    return [
        random.random(),
        random.choice([1]),
        randint(1, 2),
        str(uuid4()),
        str(uuid.uuid1()),
        os.urandom(1),
        secrets.token_hex(),
        str(uuid.uuid7()),  # type: ignore[attr-defined]
    ]


@service.handler
def waiting(ctx: perdure.SyncContext) -> None:
    time.sleep(0.001)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(print)
    threading.Thread(target=print).start()


@service.handler
async def awaiting(ctx: perdure.Context) -> None:
    await asyncio.sleep(1)
    await asyncio.to_thread(print)


@service.handler
async def fine(ctx: perdure.Context) -> Any:
    def effect() -> float:
        return time.time()

    await asyncio.sleep(0)
    await ctx.step(lambda: random.random())
    await ctx.step(time.time)
    await ctx.step(uuid4)
    generator = random.Random(5)
    return [await ctx.step(effect), ctx.random.random(), await ctx.now(), generator.random()]


class Timed(perdure.Object):
    @perdure.handler
    async def stamp(self) -> float:
        return time.time()


def warned(make: Callable[[], object]) -> list[tuple[str, int, str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make()
    assert all(one.category is perdure.MisuseWarning for one in caught)
    return [(one.filename, one.lineno, str(one.message)) for one in caught]


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


_OF_314 = (
    {"uuid.uuid7": line_of("        str(uuid.uuid7()),")} if sys.version_info >= (3, 14) else {}
)


def test_each_is_named_with_its_line_and_what_to_use_instead() -> None:
    found = warned(functools.partial(perdure.app, service, Timed))
    assert {file for file, _, _ in found} == {__file__}
    told = {message.partition(" in a handler")[0]: line for _, line, message in found}
    assert {name: line for name, line in told.items() if name != "time.time"} == {
        "datetime.datetime.now": line_of("return [first, datetime.now()"),
        "datetime.datetime.utcnow": line_of("return [first, datetime.now()"),
        "datetime.date.today": line_of("return [first, datetime.now()"),
        "time.perf_counter": line_of("return [first, datetime.now()"),
        "random.random": line_of("        random.random(),"),
        "random.choice": line_of("        random.choice([1]),"),
        "random.randint": line_of("        randint(1, 2),"),
        "uuid.uuid4": line_of("        str(uuid4()),"),
        "uuid.uuid1": line_of("        str(uuid.uuid1()),"),
        "os.urandom": line_of("        os.urandom(1),"),
        "secrets.token_hex": line_of("        secrets.token_hex(),"),
        "time.sleep": line_of("    time.sleep(0.001)"),
        "concurrent.futures.ThreadPoolExecutor": line_of("    with concurrent.futures"),
        "threading.Thread": line_of("    threading.Thread("),
        "asyncio.sleep": line_of("    await asyncio.sleep(1)"),
        "asyncio.to_thread": line_of("    await asyncio.to_thread("),
        **_OF_314,
    }
    stamps = [line for _, line, message in found if message.startswith("time.time ")]
    assert stamps == [line_of("    first = time.time()"), line_of("async def stamp(self)") + 1]
    assert all("use ctx." in message or "in a ctx.step" in message for _, _, message in found)


def make_name(depth: int) -> str:
    return make_name(depth - 1) if depth else str(uuid.uuid4())


async def make_label(ctx: perdure.Context) -> str:
    return str(await ctx.now()) + make_name(3)


@perdure.step
def read_clock() -> float:
    return time.time()


helped = perdure.Service("Helped")


@helped.handler
async def by_helpers(ctx: perdure.Context) -> str:
    await read_clock()
    await ctx.step(make_name, 3)
    return await make_label(ctx)


@helped.handler
async def by_an_import(ctx: perdure.Context) -> float:
    from time import monotonic as clock

    return clock()


class Ticket(perdure.Object):
    @perdure.handler
    async def number(self) -> int:
        return self._draw()

    def _draw(self) -> int:
        return random.randrange(9)


def test_helpers_of_the_module_are_read_too() -> None:
    found = warned(functools.partial(perdure.app, helped, Ticket))
    assert {message.partition(" in a handler")[0]: line for _, line, message in found} == {
        "uuid.uuid4": line_of("return make_name(depth - 1)"),
        "time.monotonic": line_of("    return clock()"),
        "random.randrange": line_of("        return random.randrange(9)"),
    }


def test_a_handler_without_source_is_left_alone() -> None:
    made = perdure.Service("Made")
    names: dict[str, Any] = {"time": time, "perdure": perdure, "made": made}
    exec(
        "@made.handler\nasync def stamp(ctx: perdure.Context) -> float:\n    return time.time()",
        names,
    )
    assert warned(lambda: perdure.app(made)) == []
