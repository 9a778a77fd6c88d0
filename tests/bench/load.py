"""The load generator: a process of its own, closed loop, one epoll, no library.

It reads a plan (JSON) from standard input and writes two lines to standard output when the
measured window begins and ends, then the result (JSON). Responses are parsed only as far as
needed to find their end: the status, the length of the body. About 20 µs of CPU a request.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

_RECEIVE_BYTES = 262_144
_DRAIN_S = 10.0
_REPEAT_S = 0.1  # after this what the server asked to send again is sent again


class Plan(TypedDict):
    """One run: `requests` are sent in order on each connection; `%d` in one is the number."""

    port: int
    connections: int
    requests: list[str]
    first: int  # the number of the first sequence
    modulo: int  # numbers wrap around here; 0: never
    warmup_s: float
    seconds: float
    total: int  # if not 0: stop after so many sequences instead of after `seconds`
    repeats: NotRequired[bool]  # what got a 503 is sent again, as a client does; else an error


def response_end(received: bytes) -> int:
    """Where the response at the start of `received` ends; 0 while it is not all there."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    head = received[:head_end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        line_end = head.find(b"\r\n", at + 2)
        digits = head[at + 17 : line_end if line_end >= 0 else head_end]
        end = head_end + 4 + int(digits)
        return end if len(received) >= end else 0
    if b"\r\ntransfer-encoding: chunked" in head:
        return len(received) if received.endswith(b"\r\n0\r\n\r\n") else 0
    return head_end + 4


class _Connection:
    __slots__ = ("number", "received", "socket", "started_at", "step")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.received = b""
        self.step = 0
        self.number = 0
        self.started_at = 0.0


class Load:
    """The closed loop over all connections of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [text.encode() for text in plan["requests"]]
        self._numbered = [b"%d" in request for request in self._requests]
        self._next = plan["first"]
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._busy = 0
        self._left = plan["total"] or sys.maxsize
        self._sending = True
        self._repeats = plan.get("repeats", False)
        self._to_repeat: list[_Connection] = []
        self._repeat_at = 0.0
        self.latencies_s = array("d")
        self.errors = 0
        self.first_error = ""
        for _ in range(plan["connections"]):
            self._connect()

    def _connect(self) -> _Connection:
        connection = _Connection(self._plan["port"])
        number = connection.socket.fileno()
        self._connections[number] = connection
        self._poll.register(number, select.EPOLLIN)
        return connection

    def begin(self) -> None:
        for connection in list(self._connections.values()):
            self._begin_sequence(connection)

    def _begin_sequence(self, connection: _Connection) -> None:
        if not self._sending or self._left <= 0:
            return
        self._left -= 1
        self._busy += 1
        number = self._next
        self._next = number + 1
        modulo = self._plan["modulo"]
        connection.number = number % modulo if modulo else number
        connection.step = 0
        connection.started_at = time.perf_counter()
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        request = self._requests[connection.step]
        if self._numbered[connection.step]:
            request %= connection.number
        connection.socket.send(request)

    def run(self, until: float) -> None:
        """Serve the connections until the clock says `until`, or until nothing is under way."""
        poll, connections = self._poll.poll, self._connections
        clock = time.perf_counter
        while self._busy > 0:
            now = clock()
            if now >= until:
                return
            for number, _ in poll(min(until - now, _REPEAT_S if self._to_repeat else 1.0)):
                self._readable(connections[number])
            if self._to_repeat and clock() >= self._repeat_at:
                self._send_again()

    def drain(self) -> None:
        """Let what is under way finish, so that nothing half done weighs on the next run."""
        self._sending = False
        self.run(time.perf_counter() + _DRAIN_S)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.socket.close()
        self._poll.close()

    def _readable(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(_RECEIVE_BYTES)
        except ConnectionError:
            received = b""
        if not received:
            self._lost(connection)
            return
        received = connection.received + received
        if not response_end(received):
            connection.received = received
            return
        connection.received = b""
        if self._repeats and received[9:12] == b"503":
            self._repeat_later(connection)
            return
        if received[9:10] != b"2":
            self._failed(received[:600].decode(errors="replace"))
        elif connection.step + 1 < len(self._requests):
            connection.step += 1
            self._send(connection)
            return
        else:
            self.latencies_s.append(time.perf_counter() - connection.started_at)
        self._busy -= 1
        self._begin_sequence(connection)

    def _repeat_later(self, connection: _Connection) -> None:
        if not self._to_repeat:
            self._repeat_at = time.perf_counter() + _REPEAT_S
        self._to_repeat.append(connection)

    def _send_again(self) -> None:
        connections, self._to_repeat = self._to_repeat, []
        for connection in connections:
            self._send(connection)

    def _failed(self, reason: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or reason

    def _lost(self, connection: _Connection) -> None:
        self._failed("the connection was closed")
        self._poll.unregister(connection.socket.fileno())
        del self._connections[connection.socket.fileno()]
        connection.socket.close()
        self._busy -= 1
        self._begin_sequence(self._connect())


def quantile_ms(sorted_s: list[float], share: float) -> float:
    if not sorted_s:
        return 0.0
    return sorted_s[min(int(len(sorted_s) * share), len(sorted_s) - 1)] * 1000


def run(plan: Plan, mark: Callable[[str], None]) -> dict[str, Any]:
    """Carry out `plan`; `mark` is told when the measured window begins and ends."""
    load = Load(plan)
    load.begin()
    load.run(time.perf_counter() + plan["warmup_s"])
    del load.latencies_s[:]
    mark("begin")
    cpu_before_s, began = time.process_time(), time.perf_counter()
    load.run(began + plan["seconds"])
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before_s
    mark("end")
    latencies_s = sorted(load.latencies_s)
    load.drain()
    load.close()
    completed = len(latencies_s)
    requests = max(completed * len(plan["requests"]), 1)
    return {
        "completed": completed,
        "requests": requests,
        "seconds": took_s,
        "per_second": completed / took_s,
        "p50_ms": quantile_ms(latencies_s, 0.50),
        "p99_ms": quantile_ms(latencies_s, 0.99),
        "load_cpu_us_per_request": cpu_s / requests * 1e6,
        "errors": load.errors,
        "first_error": load.first_error,
    }


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan: Plan = json.load(sys.stdin)
    print(json.dumps(run(plan, lambda word: print(word, flush=True))), flush=True)


if __name__ == "__main__":
    main()
