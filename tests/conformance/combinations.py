"""What the suite is run over: server, log, mode, SDK and protocol version, pairwise or in full."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

MODES = ("normal", "suspending", "lazy")
SERVICES = ("python", "typescript", "uvicorn")
# Our own SDK, by how its app is served.
PERDURE = {
    "perdure": "own",
    "perdure-hypercorn": "hypercorn",
    "perdure-uvicorn": "uvicorn",
    "perdure-lambda": "lambda",
}
LOGS = ("embedded", "kafka")
PROTOCOLS = (5, 6, 7)
# What is killed in the middle of work, "broker" where there is one; "stop" ends the server by a
# signal instead.
DEATHS = ("server", "services", "broker", "all", "stop")


@dataclass(frozen=True)
class Combination:
    server: str = "perdure"
    mode: str = "normal"
    protocol: int = 7
    services: str = "python"
    log: str = "embedded"
    signed: bool = False
    explicit_routes: bool = False
    faces: bool = False  # whether tests run that depend on neither mode, SDK nor version
    deaths: tuple[str, ...] = DEATHS

    @property
    def name(self) -> str:
        parts = [self.server, self.mode, f"v{self.protocol}", self.services, self.log]
        parts += ["signed"] * self.signed + ["explicit"] * self.explicit_routes
        return "-".join(parts)

    def has(self, condition: str) -> bool:
        """Whether a test that needs `condition` says something here."""
        if condition == "kafka":
            return self.log == "kafka"
        if condition in DEATHS:
            return condition in self.deaths and (condition != "broker" or self.has("kafka"))
        return bool(getattr(self, condition))

    @property
    def suspending(self) -> bool:
        """Whether an attempt ends at each wait: asked for, or because HTTP/1.1 is half duplex, as
        a call of a function is."""
        return self.mode == "suspending" or self.services.endswith(("uvicorn", "lambda"))

    @property
    def newest(self) -> int | None:
        """The newest version that the services say they speak, where the server cannot be held
        at one: Restate's takes 6, or 7 on request, of those that speak it."""
        return self.protocol if self.server == "restate" and self.protocol < 6 else None


def _row(deaths: str, *values: Any, **more: Any) -> Combination:
    return Combination("perdure", *values, deaths=tuple(deaths.split()), **more)


# Every pair of values of any two columns is in some row, and each death with every value.
PAIRWISE = [
    #    deaths              mode     protocol  services  log  signed  explicit routes  faces
    _row("server all broker stop", "normal", 5, "python", "kafka", True, True, True),
    _row("server all stop", "normal", 6, "typescript", "embedded", False, False, True),
    _row("server services", "normal", 7, "uvicorn", "kafka", True, False),
    _row("server services", "suspending", 5, "typescript", "embedded", True, True),
    _row("server broker stop", "suspending", 6, "uvicorn", "kafka", False, True, True),
    _row("server services all", "suspending", 7, "python", "embedded", False, False),
    _row("server all", "lazy", 5, "uvicorn", "embedded", False, False),
    _row("server services broker", "lazy", 6, "python", "kafka", True, False),
    _row("server broker stop", "lazy", 7, "typescript", "kafka", True, True),
]

# Our own SDK as the service, and the services of restate-sdk on its `compat`: a sample. Of
# functions, `tests/e2e/test_lambda.py` is one.
SDK_SAMPLE = [
    _row("services server", "normal", 7, "perdure"),
    _row("services stop", "suspending", 5, "perdure-hypercorn", signed=True),
    _row("services all", "lazy", 6, "perdure-uvicorn"),
    _row("services server", "suspending", 7, "compat"),
    Combination("restate", "suspending", 7, "perdure", deaths=("services", "server")),
]

# Each transport in each version; what is half duplex suspends in every mode.
SDK_REFERENCE = [
    Combination("restate", "normal", 7, "perdure", signed=True),
    Combination("restate", "suspending", 7, "perdure"),
    Combination("restate", "lazy", 6, "perdure"),
    Combination("restate", "normal", 5, "perdure"),
    Combination("restate", "suspending", 5, "perdure"),
    Combination("restate", "normal", 7, "perdure-hypercorn"),
    Combination("restate", "normal", 6, "perdure-hypercorn"),
    Combination("restate", "suspending", 6, "perdure-hypercorn", signed=True),
    Combination("restate", "suspending", 5, "perdure-hypercorn"),
    Combination("restate", "normal", 7, "perdure-uvicorn"),
    Combination("restate", "lazy", 6, "perdure-uvicorn"),
    Combination("restate", "normal", 5, "perdure-uvicorn"),
    Combination("restate", "normal", 7, "perdure-lambda"),
    Combination("restate", "lazy", 6, "perdure-lambda"),
    Combination("restate", "normal", 5, "perdure-lambda"),
    Combination("restate", "suspending", 7, "compat"),
]

# The real Restate server shows that the suite is right. It cannot be held at version 5.
REFERENCE = [
    Combination("restate", "normal", 7, "python", signed=True, explicit_routes=True, faces=True),
    Combination("restate", "normal", 6, "typescript"),
    Combination("restate", "suspending", 6, "python"),
    Combination("restate", "suspending", 7, "typescript", explicit_routes=True),
    Combination("restate", "lazy", 6, "uvicorn", signed=True, faces=True),
    Combination("restate", "lazy", 7, "typescript"),
]


def _full() -> list[Combination]:
    """Every mode, version, SDK and log; the two minor columns alternate."""
    product = itertools.product(MODES, PROTOCOLS, SERVICES, LOGS)
    return [
        Combination("perdure", mode, protocol, services, log, number % 2 == 0, number % 4 < 2, True)
        for number, (mode, protocol, services, log) in enumerate(product)
    ]


def _sdk() -> list[Combination]:
    """Our own SDK in every mode and version, on every transport."""
    product = itertools.product(MODES, PROTOCOLS, [*PERDURE, "compat"])
    return [
        Combination("perdure", mode, protocol, services, signed=number % 2 == 0)
        for number, (mode, protocol, services) in enumerate(product)
    ]


def chosen() -> list[Combination]:
    """PERDURE_CONFORMANCE: `pairwise` (the default), `full`, `reference` (a Restate server), `sdk`
    (our own SDK in full), or `sdk-reference` (our own SDK on a Restate server)."""
    choice = os.environ.get("PERDURE_CONFORMANCE", "pairwise")
    return {
        "pairwise": PAIRWISE + SDK_SAMPLE,
        "full": _full() + _sdk(),
        "reference": REFERENCE,
        "sdk": _sdk(),
        "sdk-reference": SDK_REFERENCE,
    }[choice]
