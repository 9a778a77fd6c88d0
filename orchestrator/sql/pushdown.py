"""Which values a filter pins a column to, so that only their rows are read.

DataFusion hands filters as opaque expressions whose text is stable. A filter that is not fully
understood reads more rows, never fewer; DataFusion applies the filter itself to them.
"""

import re

_EQUAL = re.compile(r'\((\w+) == "((?:[^"\\]|\\.)*)"\)')
_AMONG = re.compile(r"is_in\((\w+), \{value_set=(?:large_)?string:\[(.*?)\]", re.S)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def pinned(expression: object, column: str) -> list[str] | None:
    """The only values of `column` that can pass, or None if that is not certain."""
    text = str(expression)
    bare = _QUOTED.sub('""', text)
    if expression is None or " or " in bare or "invert" in bare or "..." in bare:
        return None
    found = [m.group(2) for m in _EQUAL.finditer(text) if m.group(1) == column]
    if found:
        return None if any("\\" in value for value in found) else found[:1]
    for match in _AMONG.finditer(text):
        if match.group(1) == column:
            values = _QUOTED.findall(match.group(2))
            return None if any("\\" in value for value in values) else values
    return None
