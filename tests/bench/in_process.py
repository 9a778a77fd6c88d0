"""`python -m tests.bench.in_process`: an app in the engine's own process, beside the same one
over HTTP/2 in a process of its own. Rates are those of this machine; the ratios are the point."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import uvloop

import perdure
from orchestrator.embedding import tune_process
from tests.bench import proc
from tests.bench.flows import FLOWS
from tests.bench.in_process_parts import Sampled, table
from tests.parts.client import Client
from tests.parts.processes import Process, free_port, port_open
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

FLOWS_SHOWN = ("greet", "10-steps")
STEPS = {"10-steps": 10}
PARTITIONS = 4

greeter = perdure.Service("Greeter")
steps = perdure.Service("Steps")


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


async def given(number: int) -> int:
    return number


@steps.handler
async def walk(ctx: perdure.Context, count: int) -> int:
    total = 0
    for number in range(count):
        total += await ctx.step(given, number)
    return total


app = perdure.app(greeter, steps)


def _load(
    port: int, flow: str, connections: int, seconds: float, pids: list[int]
) -> dict[str, Any]:
    """A closed loop over HTTP: rate, CPU of these processes for each call, and the median time of
    a caller that is alone."""
    found = _loop(port, flow, connections, seconds, pids)
    return {**found, "p50_ms": _loop(port, flow, 1, seconds / 2, pids)["p50_ms"]}


def _loop(
    port: int, flow: str, connections: int, seconds: float, pids: list[int]
) -> dict[str, Any]:
    plan = {
        "port": port,
        "connections": connections,
        "requests": list(FLOWS[flow].requests),
        "first": 0,
        "modulo": 0,
        "warmup_s": seconds / 3,
        "seconds": seconds,
        "total": 0,
    }
    command = [sys.executable, "-m", "tests.bench.load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdin is not None and load.stdout is not None
        load.stdin.write(json.dumps(plan))
        load.stdin.close()
        load.stdout.readline()
        before = sum(proc.cpu_s(pid) for pid in pids)
        load.stdout.readline()
        used_s = sum(proc.cpu_s(pid) for pid in pids) - before
        result = json.loads(load.stdout.read())
    assert not result["errors"], result["first_error"]
    return {
        "per_s": result["per_second"],
        "cpu_us": used_s / result["completed"] * 1e6,
        "p50_ms": result["p50_ms"],
    }


def over_http2(directory: Path, flow: str, connections: int, seconds: float) -> dict[str, Any]:
    """`perdure serve`, and the app on the SDK's own server."""
    server = PerdureServer(directory, ServerOptions(partitions=PARTITIONS)).start()
    port = free_port()
    command = [sys.executable, "-m", "perdure", "tests.bench.in_process:app", "--port", str(port)]
    service = Process("service", command, {}, log_dir=directory)
    service.start()
    try:
        service.wait_ready(lambda: port_open(port), 30.0)
        Client(server.ingress, server.admin).register(f"http://127.0.0.1:{port}")
        pids = [server.process.pid, service.pid]
        return _load(server.port, flow, connections, seconds, pids)
    finally:
        service.stop()
        server.stop()


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as said:
            return bool(said.status == 200)
    except OSError:
        return False


def in_process(directory: Path, flow: str, connections: int, seconds: float) -> dict[str, Any]:
    """`app.run_embedded`, called over HTTP."""
    port, admin = free_port(), free_port()
    command = [sys.executable, "-m", "tests.bench.in_process", "--serve", str(directory)]
    command += ["--port", str(port), "--admin-port", str(admin)]
    engine = Process("embedded", command, {}, log_dir=directory)
    engine.start()
    try:
        # The admin API is loaded last, in a thread.
        engine.wait_ready(
            lambda: _answers(admin, "health") and _answers(port, "restate/health"), 30
        )
        return _load(port, flow, connections, seconds, [engine.pid])
    finally:
        engine.stop()


def as_library(
    directory: Path, flow: str, connections: int, seconds: float, parts: bool = False
) -> dict[str, Any]:
    """`app.embedded`, called by its own client: no socket anywhere."""
    command = [sys.executable, "-m", "tests.bench.in_process", "--call", str(directory)]
    command += ["--parts"] if parts else []
    command += ["--flow", flow, "--connections", str(connections), "--seconds", str(seconds)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


WAYS = {"over HTTP/2": over_http2, "in process": in_process, "as a library": as_library}


async def _call(
    directory: str, flow: str, connections: int, seconds: float, sampled: Sampled | None
) -> dict[str, Any]:
    async with app.embedded(
        directory, ingress=False, admin=False, settings={"partitions": str(PARTITIONS)}
    ) as engine:
        gc.freeze()  # as `run_embedded` does
        client, counts = engine.client, [0] * connections
        until_s = time.monotonic() + seconds / 3

        async def call() -> None:
            if flow == "greet":
                await client.call("Greeter/greet", "Ada", returns=str)
            else:
                await client.call("Steps/walk", 10, returns=int)

        async def loop(number: int) -> None:
            while time.monotonic() < until_s:
                await call()
                counts[number] += 1

        await asyncio.gather(*map(loop, range(connections)))
        counts[:] = [0] * connections
        cpu_s, began_s = time.process_time(), time.monotonic()
        until_s = began_s + seconds
        with sampled or nullcontext():
            await asyncio.gather(*map(loop, range(connections)))
        count, took_s = sum(counts), time.monotonic() - began_s
        cpu_us = (time.process_time() - cpu_s) / count * 1e6
        used_us = {} if sampled is None else sampled.used_s
        parts = {part: used_s / count * 1e6 for part, used_s in used_us.items()}
        p50_ms = await _p50_ms(call, seconds / 2)
        return {"per_s": count / took_s, "cpu_us": cpu_us, "p50_ms": p50_ms, "parts": parts}


async def _p50_ms(call: Callable[[], Awaitable[None]], seconds: float) -> float:
    """The median time of a caller that is alone."""
    took_s = []
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        began_s = time.perf_counter()
        await call()
        took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s) * 1000


def compare(connections: int, seconds: float, flows: tuple[str, ...] = FLOWS_SHOWN) -> list[str]:
    """Lines of a table: each way with its ratios to HTTP/2."""
    head = f"{'':10} {'':14} {'calls/s':>9} {'x':>5} {'CPU us/call':>12} {'x':>5}"
    lines = [f"{head} {'p50 ms alone':>13} {'of a step':>10}"]
    for flow in flows:
        base: dict[str, Any] = {}
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="perdure-bench-") as directory:
                found = way(Path(directory), flow, connections, seconds)
            base = base or found
            faster, less = found["per_s"] / base["per_s"], base["cpu_us"] / found["cpu_us"]
            step = f"{found['p50_ms'] / STEPS[flow]:10.2f}" if flow in STEPS else ""
            lines.append(
                f"{flow:10} {name:14} {found['per_s']:9.0f} {faster:5.2f}"
                f" {found['cpu_us']:12.0f} {less:5.2f} {found['p50_ms']:13.2f} {step}".rstrip()
            )
    return lines


def parts(connections: int, seconds: float, flows: tuple[str, ...] = FLOWS_SHOWN) -> list[str]:
    """Lines of a table of the document: where the CPU of a call goes, as a library."""
    columns = {}
    for flow in flows:
        with tempfile.TemporaryDirectory(prefix="perdure-bench-") as directory:
            found = as_library(Path(directory), flow, connections, seconds, parts=True)
        columns[flow] = found["parts"]
    lines = table(columns, lambda cells: f"| {' | '.join(cells)} |")
    return [lines[0], "| --- |" + " ---: |" * len(columns), *lines[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.in_process", description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument(
        "--parts", action="store_true", help="show where the CPU goes, as a table of the document"
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    parser.add_argument("--flow", default="greet", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    parser.add_argument("--admin-port", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        addresses = {"ingress": f"127.0.0.1:{asked.port}", "admin": f"127.0.0.1:{asked.admin_port}"}
        app.run_embedded(asked.serve, settings={"partitions": str(PARTITIONS), **addresses})
    elif asked.call:
        tune_process()
        sampled = Sampled() if asked.parts else None
        calling = _call(asked.call, asked.flow, asked.connections, asked.seconds, sampled)
        print(json.dumps(uvloop.run(calling)))
    elif asked.parts:
        print("\n".join(parts(asked.connections, asked.seconds)))
    else:
        print("\n".join(compare(asked.connections, asked.seconds)))


if __name__ == "__main__":
    main()
