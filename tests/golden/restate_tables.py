"""`python -m tests.golden.restate_tables`: writes down the tables of a real Restate server.

Every column, in its order, with its type: what clients of the protocol expect of our tables.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.parts.client import http_request
from tests.parts.restate_server import RestateServer

FILE = Path(__file__).parent / "restate_tables.txt"
COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
)


def as_text(rows: list[dict[str, Any]]) -> str:
    """A line for each column."""
    return "".join(
        f"{row['table_name']}.{row['column_name']} {row['data_type']}"
        f"{'' if row['is_nullable'] == 'YES' else ' NOT NULL'}\n"
        for row in rows
    )


def main() -> None:
    server = RestateServer(Path(tempfile.mkdtemp(prefix="restate-tables-")))
    server.start(60.0)
    try:
        headers = {"content-type": "application/json", "accept": "application/json"}
        body = json.dumps({"query": COLUMNS}).encode()
        answer = http_request(server.admin, "POST", "/query", body, headers).expect(200)
        FILE.write_text(as_text(answer.json()["rows"]))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
