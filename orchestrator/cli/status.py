"""`perdure status`: how a server does, from its health and its metrics."""

import re
import time
from collections import defaultdict
from typing import Any, Final

from orchestrator.cli.commands import Asked, single
from orchestrator.cli.exits import EXIT_FAILED, ServerRefused
from orchestrator.cli.output import Coloured, print_fields, print_heading, print_json, print_table
from orchestrator.cli.times import span

_Labels = tuple[tuple[str, str], ...]
_Metrics = dict[str, dict[_Labels, float]]
_SAMPLE: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_MIB: Final = 1 << 20
_NOT_KNOWN: Final = "not known while no partition is led here"


@single("status", "How the server does: health, partitions, log, lag, memory. Exit code 1 if ill.")
def command(asked: Asked) -> int:
    reason = ""
    try:
        asked.admin.get("/health")
    except ServerRefused as error:
        reason = str(error)
    version = asked.admin.get("/version")
    found = {
        "healthy": not reason,
        "reason": reason or None,
        "admin": asked.admin.address,
        "ingress": version["ingress_endpoint"],
        "version": version["perdure_version"],
        "cluster": asked.admin.get("/cluster-health")["cluster_name"],
        **_measured(_read(asked.admin.text("/metrics"))),
        "subscriptions": _subscriptions(asked),
    }
    if asked.json:
        print_json(found)
    else:
        _print(found)
    return EXIT_FAILED if reason else 0


def _subscriptions(asked: Asked) -> list[dict[str, Any]] | None:
    """None while the server does not know them yet."""
    try:
        found: list[dict[str, Any]] = asked.admin.get("/perdure/v1/subscriptions")["subscriptions"]
    except ServerRefused:
        return None
    return found


def _read(text: str) -> _Metrics:
    """Samples of the text format of Prometheus, by name and labels."""
    found: _Metrics = defaultdict(dict)
    for line in text.splitlines():
        sample = _SAMPLE.fullmatch(line)
        if sample is not None:
            labels = tuple(_LABEL.findall(sample[2] or ""))
            found[sample[1]][labels] = float(sample[3])
    return found


def _measured(metrics: _Metrics) -> dict[str, Any]:
    """What people look at, by name and with units."""

    def one(name: str) -> float:
        return sum(metrics[name].values())

    def by_label(name: str) -> dict[str, int]:
        return {labels[0][1]: int(value) for labels, value in metrics[name].items()}

    partitions = by_label("perdure_partitions")
    knows = not partitions or bool(partitions.get("leading"))
    (build,) = metrics["perdure_build_info"] or [()]
    return {
        "log": dict(build).get("log"),
        "up_s": int(time.time() - one("process_start_time_seconds")),
        "partitions": partitions,
        "lag_records": by_label("perdure_applied_lag_offsets") if knows else None,
        "appends_failed": by_label("perdure_append_failures_total"),
        "append_oldest_s": one("perdure_append_oldest_seconds"),
        "invocations": by_label("perdure_invocations") if knows else None,
        "attempts_running": int(one("perdure_attempts_running")),
        "attempts_waiting": int(one("perdure_attempts_waiting")),
        "attempts_max": int(one("perdure_attempts_max")),
        "to_be_sent_rows": int(one("perdure_outbox_rows")),
        "memory_bytes": int(one("process_resident_memory_bytes")),
        "cache_bytes": int(one("perdure_cache_bytes")),
        "cache_max_bytes": int(one("perdure_cache_max_bytes")),
        "files_open": int(one("process_open_fds")),
        "files_max": int(one("process_max_fds")),
        "silence_max_s": round(one("perdure_loop_silence_max_seconds"), 3),
    }


def _print(found: dict[str, Any]) -> None:
    print_heading(f"Perdure {found['version']} at {found['admin']}")
    print_fields(
        {
            "health": Coloured(found["reason"] or "takes new work", _how(not found["reason"])),
            "cluster": f"{found['cluster']}, {found['log']} log, up {span(found['up_s'])}",
            "callers": found["ingress"],
            "partitions": _counts(found["partitions"]),
            "lag": _lag(found["lag_records"]),
            "appends": f"{_appends(found['appends_failed'])}; the oldest in flight is"
            f" {found['append_oldest_s']:g} s old",
            "invocations": _invocations(found["invocations"]),
            "attempts": f"{found['attempts_running']} running of {found['attempts_max']:,},"
            f" {found['attempts_waiting']} wait for a place",
            "to be sent": f"{found['to_be_sent_rows']} rows",
            "memory": f"{_mib(found['memory_bytes'])}, of it {_mib(found['cache_bytes'])} of"
            f" {_mib(found['cache_max_bytes'])} cache",
            "open files": f"{found['files_open']:,} of {found['files_max']:,}",
            "longest pause": f"{found['silence_max_s'] * 1000:.0f} ms",
        }
    )
    subscriptions = found["subscriptions"]
    if subscriptions:
        print()
        names = ("id", "name", "status", "lag", "reason")
        rows = [[one[name] for name in names] for one in subscriptions]
        print_table([name.upper() for name in names], rows, "")


def _how(is_good: bool) -> str:
    return "good" if is_good else "bad"


def _lag(lags: dict[str, int] | None) -> str:
    if lags is None:
        return _NOT_KNOWN
    behind = {number: lag for number, lag in lags.items() if lag}
    return _counts(behind, "partition ") or f"none in {len(lags)} partitions"


def _invocations(counts: dict[str, int] | None) -> str:
    return _NOT_KNOWN if counts is None else _counts(counts) or "none"


def _counts(found: dict[str, int], prefix: str = "") -> str:
    return ", ".join(f"{count:,} {prefix}{name}" for name, count in found.items())


def _appends(failed: dict[str, int]) -> str:
    return f"{failed.get('refused', 0):,} refused, {failed.get('unknown', 0):,} of unknown fate"


def _mib(count: int) -> str:
    return f"{count / _MIB:,.0f} MiB"
