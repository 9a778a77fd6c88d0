"""Queries over several tables at once, and what they must give: known from one table at a time.

`python -m tests.unit.sql.many_tables ROUNDS` asks each of them so often, several at once.
"""

import asyncio
import sys
from typing import Any

from orchestrator.processor import streams
from orchestrator.sql.query import SqlQuery
from tests.unit.sql.world import KEPT, Rows, ask, run

Json = list[dict[str, Any]]
CLIENTS = 4
CHUNK_ITEMS = 2  # so that every scan is pulled often
TABLES = ("sys_invocation", "sys_journal", "state", "sys_inbox", "sys_promise", "sys_locks")
SIZES = " UNION ALL ".join(f"SELECT '{name}' AS t, COUNT(1) AS n FROM {name}" for name in TABLES)


async def expected(query: SqlQuery) -> dict[str, Json]:
    """Query to answer, computed from the tables read one by one."""
    rows = {name: await ask(query, f"SELECT * FROM {name}") for name in TABLES}
    ids = sorted(row["id"] for row in rows["sys_invocation"])
    with_journal = sorted({row["id"] for row in rows["sys_journal"]})
    targets = {row["id"]: row["target"] for row in rows["sys_invocation"]}
    queued = {row["id"] for row in rows["sys_inbox"]}
    assert all(rows.values()) and set(queued) < set(ids)
    return {
        f"SELECT * FROM ({SIZES}) ORDER BY t": [
            {"t": name, "n": len(rows[name])} for name in sorted(TABLES)
        ],
        # These read their tables in several threads at once.
        "SELECT id FROM sys_invocation UNION ALL SELECT id FROM sys_journal"
        " UNION ALL SELECT key FROM state": [
            {"id": row["key"] if name == "state" else row["id"]}
            for name in ("sys_invocation", "sys_journal", "state")
            for row in rows[name]
        ],
        "SELECT target AS t FROM sys_invocation UNION SELECT entry_type FROM sys_journal": [
            {"t": one}
            for one in {*targets.values(), *(row["entry_type"] for row in rows["sys_journal"])}
        ],
        "(SELECT id FROM sys_journal UNION ALL SELECT id FROM sys_inbox)"
        " EXCEPT SELECT id FROM sys_inbox": [
            {"id": one} for one in with_journal if one not in queued
        ],
        "SELECT id FROM sys_invocation EXCEPT SELECT id FROM sys_inbox ORDER BY id": [
            {"id": one} for one in ids if one not in queued
        ],
        "SELECT id FROM sys_invocation INTERSECT SELECT id FROM sys_journal ORDER BY id": [
            {"id": one} for one in with_journal
        ],
        "SELECT id FROM sys_invocation WHERE id IN (SELECT id FROM sys_inbox) ORDER BY id": [
            {"id": one} for one in ids if one in queued
        ],
        "SELECT COUNT(1) AS n FROM sys_journal WHERE id NOT IN (SELECT id FROM sys_inbox)": [
            {"n": sum(row["id"] not in queued for row in rows["sys_journal"])}
        ],
        "SELECT a.id, b.target FROM sys_invocation a JOIN sys_invocation b ON a.id = b.id"
        " ORDER BY a.id": [{"id": one, "target": targets[one]} for one in ids],
        "SELECT i.target, COUNT(j.index) AS n FROM sys_invocation i JOIN sys_journal j"
        " ON i.id = j.id LEFT JOIN state s ON s.service_name = i.target_service_name"
        " GROUP BY i.id, i.target ORDER BY i.id": [
            {"target": targets[one], "n": sum(row["id"] == one for row in rows["sys_journal"])}
            for one in with_journal
        ],
        "SELECT (SELECT COUNT(1) FROM state) AS s, (SELECT MAX(target) FROM sys_invocation) AS t,"
        " (SELECT COUNT(1) FROM sys_deployment) AS d": [
            {"s": len(rows["state"]), "t": max(targets.values()), "d": 0}
        ],
        f"SELECT id FROM sys_invocation WHERE id = '{ids[0]}' UNION ALL"
        f" SELECT id FROM sys_invocation WHERE id = '{ids[1]}' ORDER BY id": [
            {"id": ids[0]},
            {"id": ids[1]},
        ],
        "WITH RECURSIVE deep AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM deep JOIN state"
        " ON true WHERE n < 5) SELECT MAX(n) AS n FROM deep": [{"n": 5}],
    }


def _sorted(rows: Json) -> Json:
    return sorted(rows, key=lambda row: str(sorted(row.items())))


async def ask_often(query: SqlQuery, rounds: int) -> None:
    """Every client asks them all, each beginning with another one."""
    answers = list((await expected(query)).items())

    async def client(number: int) -> None:
        for turn in range(rounds):
            for at in range(len(answers)):
                sql, right = answers[(at + number + turn) % len(answers)]
                given = await ask(query, sql)
                assert _sorted(given) == _sorted(right), f"{sql}\n gave {given[:9]} …"

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))


if __name__ == "__main__":

    async def often(query: SqlQuery, rows: Rows) -> None:
        await ask_often(query, int(sys.argv[1]) // CLIENTS)

    streams.CHUNK_ITEMS_MAX = CHUNK_ITEMS
    run(often)
    KEPT.close()
    print(f"{sys.argv[1]} times each, {CLIENTS} at once: right")
