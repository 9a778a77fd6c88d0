"""Results as text: lines for the terminal, tables for `docs/benchmarks.md`."""

from __future__ import annotations

from pathlib import Path

from tests.bench import bars
from tests.bench.bars import Verdict
from tests.bench.results import LIFE, Results
from tests.bench.systems import NAMES, TITLES

BEGIN, END = "<!-- bench: generated from here -->", "<!-- bench: generated to here -->"

_CELL_METRICS = (
    ("per_second", "per second"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("server_cpu_us", "server µs"),
    ("service_cpu_us", "service µs"),
    ("broker_cpu_us", "broker µs"),
)
_LIFE_METRICS = (
    ("idle_server_percent", "idle CPU, % of a core"),
    ("idle_broker_percent", "… of the broker"),
    ("idle_resident_mb", "resident when idle, MB"),
    ("filled_resident_mb", "… after 100,000 completed calls"),
    ("restarted_resident_mb", "… after the restart"),
    ("filled_disk_mb", "disk after 100,000 completed calls, MB"),
    ("lateness_p50_ms", "5,000 sleeps of 1 s: lateness p50, ms"),
    ("lateness_p99_ms", "… p99"),
    ("nap_answered_p50_ms", "… answer to the client beyond 1 s, p50"),
    ("nap_answered_p99_ms", "… p99"),
    ("restart_first_answer_s", "kill -9 to the first answered call, s"),
    ("sleepers_fired", "… of 10,000 sleepers, fired"),
)


def number(value: float | None) -> str:
    """Three significant digits, and none after the point from a hundred on."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in [head, rule, *rows]]


def _verdict_row(verdict: Verdict) -> list[str]:
    bar = verdict.bar
    sign = "≥" if bar.at_least else "≤"
    unit = bar.unit if bar.unit in ("×", "") else f" {bar.unit}"
    theirs = f" : {number(verdict.theirs)}" if bar.against else ""
    measured = "–" if verdict.measured is None else f"{number(verdict.measured)}{unit}"
    return [
        bar.title,
        bars.against_title(bar),
        f"{number(verdict.ours)}{theirs}",
        measured,
        f"{sign} {bar.bar:g}{unit}",
        f"{sign} {bar.aim:g}{unit}",
        verdict.word,
    ]


_BAR_HEAD = ["figure", "against", "medians", "measured", "bar", "aim", "verdict"]


def bar_table(results: Results) -> list[str]:
    return _table(_BAR_HEAD, [_verdict_row(verdict) for verdict in bars.judge(results)])


def _systems(results: Results) -> list[str]:
    seen = {system for cell in results.found.values() for system in cell}
    return [name for name in NAMES if name in seen]


def cell_table(results: Results, cell: str) -> list[str]:
    rows = []
    for system in _systems(results):
        if not results.repeats(cell, system):
            continue
        figures = [number(results.median(cell, system, metric)) for metric, _ in _CELL_METRICS]
        spread = f"{results.spread(cell, system, 'per_second') * 100:.0f} %"
        errors = results.errors(cell, system)
        name = TITLES[system] + (f" ({errors} errors)" if errors else "")
        rows.append([name, *figures, spread])
    return _table([cell, *[title for _, title in _CELL_METRICS], "spread"], rows)


def life_table(results: Results) -> list[str]:
    systems = [name for name in _systems(results) if results.repeats(LIFE, name)]
    rows = [
        [title, *[number(results.median(LIFE, system, metric)) for system in systems]]
        for metric, title in _LIFE_METRICS
    ]
    return _table(["one life of a server", *[TITLES[system] for system in systems]], rows)


def generated(results: Results) -> str:
    """The generated part of the document."""
    lines = [_context(results), "", "### Bars", "", *bar_table(results)]
    if LIFE in results.found:
        lines += ["", "### Idle, memory, disk, timers, restart", "", *life_table(results)]
    lines += ["", "### Cells", ""]
    for cell in results.found:
        if cell != LIFE:
            lines += [*cell_table(results, cell), ""]
    lines += [f"* failed: {reason}" for reason in results.failures]
    return "\n".join(lines).rstrip() + "\n"


def _context(results: Results) -> str:
    host, asked = results.machine, results.settings
    return (
        f"Measured {results.started} on {host['cores']} cores of {host['cpu']}, "
        f"{host['memory_gib']} GiB, Linux {host['kernel']}, Python {host['python']}: "
        f"{asked['repeats']} alternating repeats, {asked['seconds']:g} s a cell after "
        f"{asked['warmup']:g} s of warm-up; medians."
    )


def write(results: Results, document: Path) -> None:
    """Replace what is between the markers; the words around them are written by hand."""
    before, rest = document.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    document.write_text(f"{before}{BEGIN}\n\n{generated(results)}\n{END}{after}")
