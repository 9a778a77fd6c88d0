"""What a client of the benchmark sends, as raw HTTP/1.1; `%d` stands for a number."""

from __future__ import annotations

import time
from dataclasses import dataclass

_COUNTER_KEYS = 10_000


@dataclass(frozen=True)
class Flow:
    """A sequence of requests that counts as one when the last is answered."""

    requests: tuple[str, ...]
    modulo: int = 0  # numbers wrap around here; 0: each number is used once, for ever
    per: int = 1  # what one sequence is divided by: its steps

    def first(self) -> int:
        """The number of the first sequence: never one that was used on this machine before."""
        return 0 if self.modulo else time.time_ns() // 1000


def post(path: str, body: str) -> str:
    """A JSON request; `body` must have the same length whatever its number."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}"


def get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"


def walk(count: int) -> Flow:
    return Flow((post("/Steps/walk", str(count)),), per=count)


GREET = Flow((post("/Greeter/greet", '"Ada"'),))

FLOWS: dict[str, Flow] = {
    "greet": GREET,
    "counter": Flow((post("/Counter/k%d/add", "1"),), modulo=_COUNTER_KEYS),
    "counter-one-key": Flow((post("/Counter/one/add", "1"),)),
    "1-step": walk(1),
    "10-steps": walk(10),
    "100-steps": walk(100),
    "workflow": Flow(
        (
            post("/SignUp/u%d/run/send", '"ada@example.org"'),
            post("/SignUp/u%d/click", '"secret"'),
            get("/restate/workflow/SignUp/u%d/attach"),
        )
    ),
    "fan-out": Flow((post("/FanOut/spread", '"Ada"'),)),
}


def nap(handler: str, ms: int, call: str = "") -> Flow:
    """Sleepers numbered from a million on, so that every body has the same length."""
    body = f'{{"n":%d,"ms":{ms}}}'
    # The seven digits of the number take the place of `%d`.
    text = post(f"/Sleeper/{handler}{call}", body)
    return Flow((text.replace(f": {len(body)}\r\n", f": {len(body) + 5}\r\n"),))
