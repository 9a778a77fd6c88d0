"""Results as text: lines for the terminal, tables for `docs/benchmarks.md`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import bars, budget
from tests.bench.bars import NOT_MEASURED, Verdict
from tests.bench.results import LIFE, Results
from tests.bench.systems import NAMES, TITLES
from tests.bench.topic_cells import TOPIC_CELLS

BEGIN, END = "<!-- bench: generated from here -->", "<!-- bench: generated to here -->"
TOPICS_BEGIN = "<!-- bench of topics: generated from here -->"
TOPICS_END = "<!-- bench of topics: generated to here -->"
SDK_BEGIN, SDK_END = (
    "<!-- bench of the SDK: generated from here -->",
    "<!-- bench of the SDK: generated to here -->",
)
_TOPICS = {cell.name for cell in TOPIC_CELLS}

_CELL_METRICS = (
    ("per_second", "per second"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("server_cpu_us", "server µs"),
    ("service_cpu_us", "service µs"),
    ("broker_cpu_us", "broker µs"),
)
# What a burst has instead of latencies.
_BURST_METRICS = (
    _CELL_METRICS[0],
    ("lag_records", "lag, records"),
    ("drain_s", "drained in, s"),
    *_CELL_METRICS[3:],
)
_LIFE_METRICS = (
    ("idle_server_percent", "idle CPU, % of a core"),
    ("idle_broker_percent", "… of the broker"),
    ("idle_resident_mb", "resident when idle, MB"),
    ("idle_broker_resident_mb", "… of the broker"),
    ("filled_resident_mb", "… after 100,000 completed calls, of the server"),
    ("restarted_resident_mb", "… after the restart"),
    ("filled_disk_mb", "disk after 100,000 completed calls, MB"),
    ("lateness_p50_ms", "5,000 sleeps of 1 s: lateness p50, ms"),
    ("lateness_p99_ms", "… p99"),
    ("restart_first_answer_s", "kill -9 to the first answered call, s"),
    ("sleepers_fired_percent", "… of 10,000 sleepers, woken after it, %"),
)


def number(value: float | None) -> str:
    """Three significant digits, and none after the point from a hundred on."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def one_line(measured: dict[str, Any]) -> str:
    """One measurement of a cell, for the terminal."""
    rate = f"{measured['per_second']:8.1f}/s"
    if not measured["completed"]:
        return f"{rate}  nothing was answered"
    users = [who for who in ("server", "broker", "service") if f"{who}_cpu_us" in measured]
    used = " ".join(f"{who} {measured[f'{who}_cpu_us']:.0f}" for who in users)
    if "drain_s" in measured:
        figures = f"lag {measured['lag_records']} drained in {measured['drain_s']:.2f} s"
    else:
        figures = f"p50 {measured['p50_ms']:8.2f} p99 {measured['p99_ms']:8.2f} ms"
    if "compiled_percent" in measured:
        used += f" ({measured['compiled_percent']:.0f} % of the broker's compiled)"
    return f"{rate}  {figures}  CPU µs: {used}  strangers {measured['strangers_percent']:.0f} %"


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
        verdict.word + (" (noisy)" if verdict.noisy else ""),
    ]


_BAR_HEAD = ["figure", "against", "medians", "measured", "bar", "aim", "verdict"]


def bar_table(results: Results) -> list[str]:
    """Every bar that this run measured; the rest are counted in the last line of the run."""
    judged = [verdict for verdict in bars.judge(results) if verdict.word != NOT_MEASURED]
    return _table(_BAR_HEAD, [_verdict_row(verdict) for verdict in judged])


def _systems(results: Results) -> list[str]:
    seen = {system for cell in results.found.values() for system in cell}
    return [name for name in NAMES if name in seen]


def cell_table(results: Results, cell: str) -> list[str]:
    metrics = _BURST_METRICS if cell.endswith("@burst") else _CELL_METRICS
    rows = []
    for system in _systems(results):
        if not results.repeats(cell, system):
            continue
        figures = [number(results.median(cell, system, metric)) for metric, _ in metrics]
        spread = f"{results.spread(cell, system, 'per_second') * 100:.0f} %"
        strangers = f"{number(results.median(cell, system, 'strangers_percent'))} %"
        errors = results.errors(cell, system)
        name = TITLES[system] + (f" ({errors} errors)" if errors else "")
        rows.append([name, *figures, spread, strangers])
    return _table([cell, *[title for _, title in metrics], "spread", "strangers"], rows)


def life_table(results: Results) -> list[str]:
    systems = [name for name in _systems(results) if results.repeats(LIFE, name)]
    rows = [
        [title, *[number(results.median(LIFE, system, metric)) for system in systems]]
        for metric, title in _LIFE_METRICS
    ]
    return _table(["one life of a server", *[TITLES[system] for system in systems]], rows)


def _budget_cells(results: Results) -> list[tuple[str, str]]:
    """(cell, system) of every sampled run, in the order of the columns."""
    cells = [cell for cell in results.found if cell.startswith(budget.BUDGET)]
    return [
        (cell, system)
        for cell in cells
        for system in _systems(results)
        if system in results.found[cell]
    ]


def budget_table(results: Results) -> list[str]:
    """The plan for a greet, and what each part costs; medians by room, then summed."""
    columns = _budget_cells(results)
    parts = []
    for cell, system in columns:
        keys = {key for found in results.repeats(cell, system) for key, _ in budget.by_room(found)}
        metrics = [(key, f"{budget.BUDGET}{key}_cpu_us") for key in sorted(keys)]
        rooms = [(key, results.median(cell, system, metric) or 0.0) for key, metric in metrics]
        parts.append(budget.by_part(rooms))
    plans = {part: plan for part, (plan, _) in budget.PARTS.items()}
    rows = [
        [part, plans.get(part, ""), *[number(column[part]) for column in parts]]
        for part in [*budget.PARTS, "other"]
    ]
    rows.append(["together", "about 200", *[number(sum(column.values())) for column in parts]])
    titles = [f"{cell.split('/')[1]}, {system}" for cell, system in columns]
    return _table(["µs of server CPU", "plan for a greet", *titles], rows)


def generated(results: Results) -> str:
    """All that a run has found, as the document has it."""
    lines = [_context(results), "", "### Bars", "", *bar_table(results)]
    if LIFE in results.found:
        lines += ["", "### Idle, memory, disk, timers, restart", "", *life_table(results)]
    if _budget_cells(results):
        lines += ["", "### Where the server's CPU goes", "", *budget_table(results)]
    lines += ["", "### Cells", ""]
    for cell in results.found:
        if cell != LIFE and not cell.startswith(budget.BUDGET):
            lines += [*cell_table(results, cell), ""]
    lines += [f"* failed: {reason}" for reason in results.failures]
    return "\n".join(lines).rstrip() + "\n"


def _context(results: Results) -> str:
    host, asked = results.machine, results.settings
    sizes = asked["sizes"]
    return (
        f"Measured {results.started} on {host['cores']} cores of {host['cpu']}, "
        f"{host['memory_gib']} GiB, Linux {host['kernel']}, Python {host['python']}: "
        f"{asked['repeats']} alternating repeats, {asked['seconds']:g} s a cell after "
        f"{asked['warmup']:g} s of warm-up; medians. A life: {sizes['completed']:,} calls, "
        f"{sizes['sleepers']:,} sleepers."
    )


def write(results: Results, document: Path) -> None:
    """Replace what is between the markers, for calls and for topics if the run has some of them,
    or for the SDK if the run was of it; the words around them are written by hand."""
    text = document.read_text()
    if results.is_of_sdk:
        document.write_text(_replaced(text, SDK_BEGIN, SDK_END, generated(results)))
        return
    for begin, end, is_about in (
        (BEGIN, END, lambda cell: cell not in _TOPICS),
        (TOPICS_BEGIN, TOPICS_END, lambda cell: cell in _TOPICS),
    ):
        found = {cell: by_system for cell, by_system in results.found.items() if is_about(cell)}
        if found:
            text = _replaced(text, begin, end, generated(replace(results, found=found)))
    document.write_text(text)


def _replaced(text: str, begin: str, end: str, part: str) -> str:
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    return f"{before}{begin}\n\n{part}\n{end}{after}"
