"""Memory under large payloads: sends and echoes of 1 MB at 64 connections, and after them."""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.parts.processes import Process, free_port, port_open, wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.scale import process
from tests.scale.samples import samples_of

MB = 1_000_000
CONNECTIONS = 64
QUIET_S = 30.0  # after the last attempt has ended
_WORKED_OFF_S = 1_800.0
RSS_BYTES_MAX = 400 * MB
RSS_QUIET_BYTES_MAX = 200 * MB
LARGE_BYTES = 30 * MB
COPIES_MAX = 6  # of one payload
_ROOT = Path(__file__).resolve().parents[2]


def service() -> tuple[Process, str]:
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="perdure-payloads-"))
    settings = directory / "hypercorn.toml"
    settings.write_text("h2_max_concurrent_streams = 2147483647\nkeep_alive_timeout = 1000000\n")
    flags = ["--config", str(settings), "-w", "0", "--bind", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "hypercorn", "tests.scale.payload_services:app", *flags]
    service = Process("payload-services", command, {}, cwd=_ROOT, log_dir=directory)
    service.start()
    service.wait_ready(lambda: port_open(port), 30.0)
    return service, f"http://127.0.0.1:{port}"


def register(server: PerdureServer, uri: str) -> None:
    admin = http.client.HTTPConnection(server.admin.removeprefix("http://"), timeout=30)
    body = json.dumps({"uri": uri}).encode()
    admin.request("POST", "/deployments", body, {"content-type": "application/json"})
    answer = admin.getresponse()
    assert answer.status == 201, answer.read()
    admin.close()


def load(server: PerdureServer, path: str, count: int, size_bytes: int) -> dict[int, int]:
    """Requests of one size over all connections; the count of each status."""
    work: SimpleQueue[int] = SimpleQueue()
    for number in range(count):
        work.put(number)
    body = b'"' + b"x" * (size_bytes - 2) + b'"'
    statuses: dict[int, int] = {}
    lock = threading.Lock()
    host = server.ingress.removeprefix("http://")

    def one() -> None:
        client = http.client.HTTPConnection(host, timeout=120)
        while True:
            try:
                work.get_nowait()
            except Empty:
                client.close()
                return
            status = _ask(client, path, body)
            with lock:
                statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=one) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def _ask(client: http.client.HTTPConnection, path: str, body: bytes) -> int:
    """Sends again what the server asks to send again, as a client does."""
    while True:
        client.request("POST", path, body, {"content-type": "application/json"})
        answer = client.getresponse()
        answer.read()
        if answer.status != 503:
            return answer.status
        time.sleep(0.05)


def run(
    sends: int = 4_500,
    echoes: int = 400,
    say: Callable[[str], None] = print,
    quiet_s: float = QUIET_S,
) -> bool:
    """All runs against real servers; True if the bars hold."""
    served, uri = service()
    held = True
    try:
        for name, path, count in (
            ("sends of 1 MB", "/Payloads/sink/send", sends),
            ("echoes of 1 MB", "/Payloads/echo", echoes),
        ):
            with _serving(uri) as server:
                held &= _measure(server, name, path, count, say, quiet_s)
        held &= _copies(uri, say)
    finally:
        served.stop()
    return held


@contextmanager
def _serving(uri: str) -> Iterator[PerdureServer]:
    """A server that knows the services."""
    server = PerdureServer(Path(tempfile.mkdtemp(prefix="perdure-scale-")), ServerOptions())
    server.start()
    try:
        register(server, uri)
        yield server
    finally:
        server.stop()


def _copies(uri: str, say: Callable[[str], None]) -> bool:
    """One payload of 30 MB: how often it is in the memory of the server at once."""
    held = True
    for path in ("/Payloads/echo", "/Payloads/step"):
        with _serving(uri) as server:
            load(server, path, 1, 1_000)
            before = process.resident_bytes(server.pid)
            statuses = load(server, path, 1, LARGE_BYTES)
            copies = (process.peak_bytes(server.pid) - before) / LARGE_BYTES
            held &= statuses == {200: 1} and copies <= COPIES_MAX
            say(f"{path} of 30 MB: {statuses}, in memory {copies:.1f} times")
    return held


def _attempts(server: PerdureServer) -> int:
    """Those that run, and those that wait."""
    samples = samples_of(server)
    return int(samples["perdure_attempts_running"] + samples["perdure_attempts_waiting"])


def _measure(
    server: PerdureServer,
    name: str,
    path: str,
    count: int,
    say: Callable[[str], None],
    quiet_s: float,
) -> bool:
    before, began_s = process.resident_bytes(server.pid), time.monotonic()
    statuses = load(server, path, count, MB)
    took_s = time.monotonic() - began_s
    wait_until(lambda: not _attempts(server), _WORKED_OFF_S, "all attempts have ended")
    worked_s = time.monotonic() - began_s - took_s
    time.sleep(quiet_s)
    peak, after = process.peak_bytes(server.pid), process.resident_bytes(server.pid)
    held = peak <= RSS_BYTES_MAX and after <= RSS_QUIET_BYTES_MAX
    say(
        f"{count} {name}: {statuses} in {took_s:.1f} s and worked off {worked_s:.1f} s later;"
        f" RSS {before // MB} MB before, {peak // MB} MB at most,"
        f" {after // MB} MB after {quiet_s:.0f} s of quiet: {'ok' if held else 'TOO MUCH'}"
    )
    return held
