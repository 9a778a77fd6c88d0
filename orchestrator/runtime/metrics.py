"""Every metric there is, in one typed table: name, kind, unit, labels, what it tells.

Names follow Prometheus: base units (seconds, bytes), `_total` for counters. Those of the process
itself have the names that every exporter gives them. docs/metrics.md is made from this table.
"""

from typing import Final, Literal, NamedTuple

MetricKind = Literal["counter", "gauge", "histogram"]
COUNTER: Final[MetricKind] = "counter"
GAUGE: Final[MetricKind] = "gauge"
HISTOGRAM: Final[MetricKind] = "histogram"

# Of appends, calls and silences of the loop: from 0.1 ms to a minute.
_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class Metric(NamedTuple):
    """`bounds` are the upper ends of a histogram's buckets, in its unit."""

    name: str
    kind: MetricKind
    unit: str
    labels: tuple[str, ...]
    text: str
    bounds: tuple[float, ...] = ()


def _counter(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(f"perdure_{name}_total", COUNTER, unit, labels, text)


def _gauge(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(f"perdure_{name}", GAUGE, unit, labels, text)


def _seconds(name: str, text: str) -> Metric:
    return Metric(f"perdure_{name}_seconds", HISTOGRAM, "seconds", (), text, _SECONDS)


def _process(name: str, kind: MetricKind, unit: str, text: str) -> Metric:
    return Metric(f"process_{name}", kind, unit, (), text)


# The ingress.
REQUESTS: Final = _counter(
    "ingress_requests", "requests", "Requests at the ingress that were answered, by HTTP status.",
    "status",
)  # fmt: skip
REQUEST_TIME: Final = _seconds(
    "ingress_request",
    "From a complete request to its answer, waiting for a result included.",
)
REQUESTS_WAITING: Final = _gauge(
    "ingress_requests_waiting", "requests", "Requests at the ingress whose answer is awaited."
)
CONNECTIONS: Final = _gauge("ingress_connections", "connections", "Open connections of callers.")
BUFFERED: Final = _gauge(
    "ingress_buffered_bytes",
    "bytes",
    "Bodies and large heads of requests that are not complete yet, in sum.",
)

# Invocations and attempts.
INVOCATIONS: Final = _counter(
    "invocations_ended",
    "invocations",
    "Invocations whose handler ended here: succeeded, or failed for good.",
    "service", "handler", "outcome",
)  # fmt: skip
ATTEMPTS: Final = _counter(
    "attempts",
    "attempts",
    "Attempts that ended: completed, suspended, failed (retried or paused), dropped.",
    "outcome",
)
FAILURES: Final = _counter(
    "attempt_failures", "attempts", "Attempts that failed, by code: see perdure explain.",
    "code",
)  # fmt: skip
RETRIES: Final = _counter(
    "attempt_retries", "attempts", "Attempts that were started again after one that failed."
)
ATTEMPT_TIME: Final = _seconds("attempt", "From the slot of an attempt to its end.")
SLOTS: Final = _gauge("attempts_running", "attempts", "Slots in use: attempts that run.")
ATTEMPTS_MAX: Final = _gauge("attempts_max", "attempts", "Slots there are.")
SLOTS_WAITING: Final = _gauge("attempts_waiting", "attempts", "Attempts that wait for a slot.")
ATTEMPT_MEMORY: Final = _gauge(
    "attempts_bytes", "bytes", "Journals being sent and messages half received, of all attempts."
)

LIVE: Final = _gauge(
    "invocations",
    "invocations",
    "Invocations that are not over, of partitions led here, by status: scheduled, inboxed (they"
    " wait for their key), invoked (retries that wait included), suspended, paused.",
    "status",
)
OUTBOX: Final = _gauge(
    "outbox_rows",
    "rows",
    "Messages of partitions led here to other partitions that are not known to have arrived.",
)

# Topics in.
SUBSCRIPTION_LAG: Final = _gauge(
    "subscription_lag_records",
    "records",
    "Offsets between what subscriptions have taken and the ends of their topics, of sources that"
    " are led here, by name or id; as of the scrape before.",
    "subscription",
)
HEADERS_LEFT_OUT: Final = _counter(
    "headers_left_out",
    "headers",
    "Headers of consumed records that no handler sees: they are not UTF-8, or have no value.",
    "subscription",
)

# Partitions.
PARTITIONS: Final = _gauge(
    "partitions",
    "partitions",
    "Partitions of this node by state: restoring, following, leading, stopped.",
    "state",
)
TURNS: Final = _counter("turns", "appends", "Appends to the log, each of all partitions ready.")
APPEND_MESSAGES: Final = _counter("append_messages", "messages", "Messages appended to the log.")
APPEND_FAILURES: Final = _counter(
    "append_failures",
    "appends",
    "Appends of a partition that were not acknowledged: refused (certainly not in the log) or of"
    " unknown fate.",
    "fate",
)
APPEND_TIME: Final = _seconds("append", "From an append of a partition to its acknowledgement.")
APPEND_AGE: Final = _gauge(
    "append_oldest_seconds", "seconds", "Age of the oldest append that is not acknowledged."
)
APPLY_TIME: Final = _seconds(
    "apply", "Applying an acknowledged append of a partition and carrying out its actions."
)
APPLIED: Final = _counter("applied_records", "records", "Records applied, of all partitions.")
APPLIED_BYTES: Final = _counter(
    "applied_bytes", "bytes", "Bytes of messages applied, of all partitions."
)
LAG: Final = _gauge(
    "applied_lag_offsets",
    "offsets",
    "Offsets of the log that a partition has still to apply, where that is known.",
    "partition",
)
PROPOSALS: Final = _gauge("proposals", "records", "Records that wait to be appended.")
TIMERS: Final = _gauge(
    "timers", "timers", "Timers and retries that partitions led here have in memory."
)
STEPPED_DOWN: Final = _counter("leaderships_lost", "terms", "Terms that ended before their time.")
PARTITIONS_STOPPED: Final = _counter(
    "partitions_stopped", "partitions", "Partitions that stopped with an error and serve no more."
)
RESTORES: Final = _counter(
    "restores", "partitions", "Stores of partitions restored from a copy and the log."
)
RESTORE_PROGRESS: Final = _gauge(
    "restore_progress_ratio", "ratio", "How much of the log a restoring partition has applied.",
    "partition",
)  # fmt: skip
CACHE: Final = _gauge(
    "cache_bytes", "bytes", "Rows in memory, of all tables and partitions: read or to be written."
)
CACHE_MAX: Final = _gauge("cache_max_bytes", "bytes", "What the rows in memory may take.")
SPILLS: Final = _counter("spills", "spills", "Batches of changed rows written to stores.")
FLUSHES: Final = _counter("flushes", "flushes", "Flushes that made stores durable.")
CHECKPOINTS: Final = _counter("checkpoints", "copies", "Copies of stores that were made.")

# SQL.
QUERIES_RUNNING: Final = _gauge("queries_running", "queries", "SQL queries that run.")
QUERIES_WAITING: Final = _gauge("queries_waiting", "queries", "SQL queries that wait for others.")
QUERIES: Final = _counter(
    "queries",
    "queries",
    "SQL queries that ended: answered, bad (not SQL, or of what is not there), too_large, too_long,"
    " too_many (refused), unavailable (partitions, metadata), failed, broken_off (by the client).",
    "how",
)

# The process.
LOOP_LAG: Final = _seconds("loop_lag", "How late the event loop comes to what is due.")
LOOP_SILENCE: Final = _gauge(
    "loop_silence_max_seconds", "seconds", "The longest the event loop was silent since the start."
)
LOOP_BUSY: Final = _gauge(
    "loop_busy_max_seconds",
    "seconds",
    "The longest silence of the event loop that was its own work, and no wait for a processor.",
)
BUILD: Final = _gauge("build_info", "1", "Always 1; the labels tell.", "version", "python", "log")
RSS: Final = _process("resident_memory_bytes", GAUGE, "bytes", "Memory of the process.")
CPU: Final = _process("cpu_seconds_total", COUNTER, "seconds", "Processor time used.")
FILES: Final = _process("open_fds", GAUGE, "files", "Open files and sockets.")
FILES_MAX: Final = _process("max_fds", GAUGE, "files", "Files and sockets that may be open.")
STARTED: Final = _process("start_time_seconds", GAUGE, "seconds", "Unix time of the start.")

TABLE: Final = tuple(one for one in globals().values() if isinstance(one, Metric))
