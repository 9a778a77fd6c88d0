"""The cells of the table: which flow, on which endpoint, over how many connections."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.flows import FLOWS, Flow

TYPESCRIPT, UVICORN, HYPERCORN = "typescript", "uvicorn", "hypercorn"
ENDPOINTS = (TYPESCRIPT, UVICORN, HYPERCORN)


@dataclass(frozen=True)
class Cell:
    endpoint: str
    flow_name: str
    connections: int

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


def _all() -> list[Cell]:
    cells = dict.fromkeys(_BARS)
    for endpoint in ENDPOINTS:
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
