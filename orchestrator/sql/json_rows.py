"""Rows of an answer as JSON: nulls left out, binary as hex, times as ISO text in UTC."""

from datetime import datetime, timedelta
from typing import Any


def json_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():g}S"
    return value
