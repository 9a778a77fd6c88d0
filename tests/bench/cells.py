"""The cells of the table: which flow, on which endpoint, over how many connections."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.endpoints import (
    ENDPOINTS,
    HYPERCORN,
    PERDURE,
    PERDURE_UVICORN,
    TYPESCRIPT,
    UVICORN,
)
from tests.bench.flows import FLOWS, Flow
from tests.bench.systems import EMBEDDED, NAMES, RESTATE, RESTATE_4


@dataclass(frozen=True)
class Cell:
    endpoint: str
    flow_name: str
    connections: int
    systems: tuple[str, ...] = NAMES

    @property
    def name(self) -> str:
        return f"{self.endpoint}/{self.flow_name}@{self.connections}"

    @property
    def flow(self) -> Flow:
        return FLOWS[self.flow_name]


# The five of the throughput bars, at the connections of the bars.
THROUGHPUT_FIVE = (
    ("greet", 64),
    ("counter", 64),
    ("10-steps", 64),
    ("workflow", 32),
    ("fan-out", 8),
)
_BARS = [
    *[Cell(TYPESCRIPT, flow, connections) for flow, connections in THROUGHPUT_FIVE],
    Cell(TYPESCRIPT, "greet", 1),
    Cell(TYPESCRIPT, "100-steps", 1),
    *[Cell(UVICORN, flow, 64) for flow in ("greet", "counter")],
    Cell(HYPERCORN, "greet", 64),
    Cell(HYPERCORN, "10-steps", 64),
    Cell(HYPERCORN, "workflow", 32),
    Cell(HYPERCORN, "fan-out", 8),
]


# Our SDK on our server beside restate-sdk, on our server (CPU of the service) and on Restate.
_RESTATES = (RESTATE, RESTATE_4)
_BOTH = (EMBEDDED, *_RESTATES)
SDK_FIVE = ("greet", "counter", "10-steps", "workflow", "fan-out")
SDK_CELLS = [
    *[Cell(PERDURE, flow, 64, (EMBEDDED,)) for flow in SDK_FIVE],
    *[Cell(PERDURE, flow, 1, (EMBEDDED,)) for flow in ("greet", "10-steps")],
    *[Cell(PERDURE_UVICORN, flow, 64, (EMBEDDED,)) for flow in ("greet", "counter")],
    *[Cell(HYPERCORN, flow, 64, _BOTH) for flow in ("greet", "10-steps", "fan-out")],
    *[Cell(HYPERCORN, flow, 64, _RESTATES) for flow in ("counter", "workflow")],
    *[Cell(HYPERCORN, flow, 1, _RESTATES) for flow in ("greet", "10-steps")],
    Cell(UVICORN, "greet", 64, _BOTH),
    Cell(UVICORN, "counter", 64, _RESTATES),
]


def _all() -> list[Cell]:
    cells = dict.fromkeys(_BARS)
    for endpoint in (TYPESCRIPT, UVICORN, HYPERCORN):
        for flow in FLOWS:
            cells |= dict.fromkeys(Cell(endpoint, flow, count) for count in (1, 32, 64, 256))
    return list(cells)


def cells(full: bool, only: list[str]) -> list[Cell]:
    """The cells of the bars, or all; `only` keeps those whose name holds one of its texts.

    A text that fits no cell with a bar is looked for among all.
    """
    chosen = _all() if full else _BARS
    if only:
        chosen = [cell for text in only for cell in _fitting(text, chosen)]
    # An endpoint is started once for all of its cells.
    return sorted(dict.fromkeys(chosen), key=lambda cell: ENDPOINTS.index(cell.endpoint))


def _fitting(text: str, among: list[Cell]) -> list[Cell]:
    fitting = [cell for cell in among if text in cell.name]
    return fitting or [cell for cell in _all() if text in cell.name]


def sdk_cells(only: list[str]) -> list[Cell]:
    """The cells of the SDK; those of one flow follow each other, so that what drifts meanwhile
    does not favour an endpoint."""
    chosen = [cell for cell in SDK_CELLS if not only or any(text in cell.name for text in only)]
    return sorted(chosen, key=lambda cell: (-cell.connections, SDK_FIVE.index(cell.flow_name)))
