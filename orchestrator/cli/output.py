"""Prints answers: tables for people, JSON for scripts."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

OutputRow = Sequence[object]


def prepare_streams() -> None:
    """Streams that may be used whatever the caller has closed, and any character printed that the
    terminal does not have."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 for the life of the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 for the life of the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """What is still buffered goes nowhere: it cannot be written, at exit either."""
    with contextlib.suppress(OSError):  # no more files, or a stream without one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """One document, indented."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def cell(value: object) -> str:
    """A value in one line; characters that could move the cursor are shown by their code."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text) or "-"


def print_table(columns: Sequence[str], rows: Sequence[OutputRow], nothing: str) -> None:
    """Columns as wide as they need; `nothing` is said if there are no rows."""
    if not rows:
        print(nothing)
        return
    lines = [list(columns), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def print_fields(fields: dict[str, Any]) -> None:
    """One line for each name and value; values that are None are left out."""
    shown = {name: cell(value) for name, value in fields.items() if value not in (None, "", {})}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        print(f"{name.ljust(width)}  {text}")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Rows of a query as a table, columns in the order they first come."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print_table(columns, [[row.get(name) for name in columns] for row in rows], "no rows")
