"""Prints answers: tables for people, JSON for scripts."""

import contextlib
import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

OutputRow = Sequence[object]
_COLOURS: Final = {"good": "32", "bad": "31", "waits": "33", "quiet": "2", "bold": "1"}


class Coloured(str):
    """A text that means something good or bad, or is quiet: shown so on a terminal."""

    how: str

    def __new__(cls, text: str, how: str) -> "Coloured":
        made = super().__new__(cls, text)
        made.how = how
        return made


def is_coloured(stream: TextIO) -> bool:
    """Whether a person looks at it, and wants colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def coloured(text: str, how: str) -> str:
    """A text as a terminal shows it."""
    code = _COLOURS.get(how)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


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
    return _shown(text) or "-"


def _shown(line: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in line)


def shown_lines(text: str) -> list[str]:
    """The lines of a text that somebody else wrote, none of which moves the cursor."""
    return [_shown(line) for line in text.split("\n")]


def first_line(text: str) -> str:
    """Of a failure: a stack trace may follow."""
    return text.partition("\n")[0]


def print_table(columns: Sequence[str], rows: Sequence[OutputRow], nothing: str) -> None:
    """Columns as wide as they need; `nothing` is said if there are no rows."""
    if not rows:
        print(nothing)
        return
    heads = [Coloured(one, "bold") for one in columns]
    for line in table_lines([heads, *rows], is_coloured(sys.stdout)):
        print(line)


def table_lines(rows: Sequence[OutputRow], in_colour: bool) -> Iterable[str]:
    """Rows of cells below each other."""
    lines = [[cell(value) for value in row] for row in rows]
    widths = [max(_width(line[n]) for line in lines) for n in range(len(lines[0]))]
    for line, row in zip(lines, rows, strict=True):
        padded = [_padded(text, width) for text, width in zip(line, widths, strict=True)]
        padded[-1] = padded[-1].rstrip()
        if in_colour:
            shown = zip(padded, (getattr(value, "how", "") for value in row), strict=True)
            padded = [coloured(text, how) for text, how in shown]
        yield "  ".join(padded).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Places that it takes on a terminal: two for a wide character, none for an accent."""
    if text.isascii():
        return len(text)
    accents = sum(map(bool, map(unicodedata.combining, text)))
    return len(text) - accents + sum(unicodedata.east_asian_width(one) in "WF" for one in text)


def print_heading(text: str) -> None:
    """A line above others."""
    print(coloured(cell(text), "bold") if is_coloured(sys.stdout) else cell(text))


def say(text: str) -> None:
    """A line about the answer, for people: on stderr, so that the answer stays what it is."""
    print(coloured(text, "quiet") if is_coloured(sys.stderr) else text, file=sys.stderr)


def print_fields(fields: dict[str, Any]) -> None:
    """One line for each name and value; values that are None are left out."""
    shown = {name: value for name, value in fields.items() if value not in (None, "", {})}
    width = max(map(len, shown), default=0)
    in_colour = is_coloured(sys.stdout)
    for name, value in shown.items():
        text = cell(value)
        how = getattr(value, "how", "")
        print(f"{name.ljust(width)}  {coloured(text, how) if in_colour else text}")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Rows of a query as a table, columns in the order they first come."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print_table(columns, [[row.get(name) for name in columns] for row in rows], "no rows")
