"""Completed invocations by their listings: the same answers as by their rows."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from orchestrator.codec import keys
from orchestrator.model.records import Failed, Kill, Purge
from orchestrator.model.values import OBJECT_EXCLUSIVE, THEN_RETRY, WORKFLOW_RUN, Attempted
from orchestrator.sql import finding, listed
from orchestrator.sql.finding import Sought, columns_of, found
from orchestrator.sql.id_texts import id_texts
from orchestrator.sql.listed import (
    LISTED_COLUMNS,
    OF_NAMES,
    Listed,
    listed_batch,
    read_listings,
)
from orchestrator.sql.plans import FirstId, Top
from orchestrator.sql.query import SqlQuery
from orchestrator.sql.schemas import SCHEMAS
from perdure.wire.ids import invocation_id_to_str
from tests.unit.machine.bench import Bench, uid
from tests.unit.sql.world import FAILING, Rows, ask, filled, run

Json = dict[str, Any]
SERVICES = (("Greeter", "greet", ""), ("Counter", "add", "k1"), ("Counter", "get", "k'2é"))


def various(count: int = 60) -> Bench:
    """Live and completed ones: failed, failed in between, purged, expired."""
    bench = filled()
    began_ms = bench.now_ms
    for number in range(100, 100 + count):
        bench.now_ms = began_ms - 1_000 * (number * 7 % 50)
        service, handler, key = SERVICES[number % 3]
        kind = OBJECT_EXCLUSIVE if key else 0
        kept_ms = 10 if number % 11 == 0 else 86_400_000
        bench.invoke(
            uid(number), service=service, handler=handler, key=key, kind=kind, retention_ms=kept_ms
        )
        if number % 5 == 0:
            why = Attempted(500, f"boom {number}", "", "", -1, "", 0, bench.now_ms)
            bench.flush(uid(number), end=Failed(why, THEN_RETRY, 2, bench.now_ms))
        bench.now_ms += number % 4
        if number % 7 == 0:
            bench.do(Kill(uid(number), bench.now_ms))
        else:
            bench.finish(uid(number))
        if number % 13 == 0:
            bench.do(Purge(uid(number), bench.now_ms))
    bench.now_ms = began_ms
    return bench


async def by_rows(query: SqlQuery) -> list[Json]:
    """Of a column that no listing has, without a filter: all rows are read."""
    return await ask(query, "SELECT * FROM sys_invocation")


def test_listings_say_what_rows_say() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        shown = {row["id"]: row for row in await by_rows(query)}
        assert len(shown) > 40
        names = [name for name in LISTED_COLUMNS if name != "partition_key"]
        for table, columns in (("sys_invocation", names), ("sys_invocation_status", [*names])):
            for row in await ask(query, f"SELECT {', '.join(columns)} FROM {table}"):
                whole = shown.pop(row["id"]) if table == "sys_invocation" else row
                assert {k: v for k, v in whole.items() if k in names} == row
        assert not shown

    run(check, various())


WHERE = {
    "status = 'completed'": lambda r: r["status"] == "completed",
    "status != 'completed'": lambda r: r["status"] != "completed",
    "status IN ('running', 'ready', 'pending', 'suspended')": lambda r: (
        r["status"] in ("running", "ready", "pending", "suspended")
    ),
    "target_service_name = 'Counter'": lambda r: r["target_service_name"] == "Counter",
    "target_service_name IN ('Counter', 'a', 'b', 'c', 'd')": lambda r: (
        r["target_service_name"] == "Counter"
    ),
    "target_service_name NOT IN ('Counter', 'a', 'b', 'c')": lambda r: (
        r["target_service_name"] != "Counter"
    ),
    "target_service_key = 'k1' AND target_handler_name = 'add'": lambda r: (
        r.get("target_service_key") == "k1" and r["target_handler_name"] == "add"
    ),
    "target_service_key = 'k''2é'": lambda r: r.get("target_service_key") == "k'2é",
    "target_service_key NOT IN ('k1', 'a', 'b', 'c')": lambda r: (
        r.get("target_service_key", "k1") != "k1"
    ),
    "target LIKE 'Counter/k1/%'": lambda r: r["target"].startswith("Counter/k1/"),
    "target NOT LIKE 'Counter/%'": lambda r: not r["target"].startswith("Counter/"),
    "target LIKE '%/add' OR status = 'running'": lambda r: (
        r["target"].endswith("/add") or r["status"] == "running"
    ),
    "pinned_deployment_id = 'dp_1' AND completion_result = 'failure'": lambda r: (
        r.get("pinned_deployment_id") == "dp_1" and r.get("completion_result") == "failure"
    ),
    "pinned_deployment_id IS NULL": lambda r: "pinned_deployment_id" not in r,
    "completed_at IS NULL": lambda r: "completed_at" not in r,
    "completed_at IS NOT NULL": lambda r: "completed_at" in r,
    "last_failure IS NOT NULL": lambda r: "last_failure" in r,
    "last_failure IS NULL": lambda r: "last_failure" not in r,
    "retry_count > 0": lambda r: r.get("retry_count", 0) > 0,
    "upper(target) = 'GREETER/GREET' AND status = 'completed'": lambda r: (
        r["target"] == "Greeter/greet" and r["status"] == "completed"
    ),
    "trace_id IS NULL": lambda r: "trace_id" not in r,
    "journal_size > 1 AND target_service_name = 'Counter'": lambda r: (
        r.get("journal_size", 0) > 1 and r["target_service_name"] == "Counter"
    ),
    "created_at >= (SELECT MAX(created_at) - INTERVAL '20 seconds' FROM sys_invocation)": None,
}
SELECTED = ("id", "id, target", "id, trace_id", "id, last_failure, journal_size", "*")


def test_filters_and_orders_give_what_they_give_over_rows() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        whole = await by_rows(query)
        for where, passes in WHERE.items():
            right = {row["id"] for row in whole if passes is None or passes(row)}
            for columns in SELECTED:
                sql = f"SELECT {columns} FROM sys_invocation WHERE {where}"
                given = await ask(query, sql)
                assert len({row["id"] for row in given}) == len(given), sql
                if passes is not None:
                    assert {row["id"] for row in given} == right, sql
                some = await ask(query, f"{sql} LIMIT 5 OFFSET 1")
                assert len(some) == max(0, min(5, len(given) - 1)), sql
                assert {row["id"] for row in some} <= {row["id"] for row in given}, sql
                ordered = await ask(query, f"{sql} ORDER BY created_at DESC, id LIMIT 7")
                wanted = sorted({r["id"] for r in given}, key=lambda i: i)
                times = {row["id"]: row["created_at"] for row in whole}
                wanted.sort(key=lambda i: times[i], reverse=True)
                assert [row["id"] for row in ordered] == wanted[:7], sql

    run(check, various())


def test_an_order_reaches_through_names_joins_and_offsets() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        whole = await by_rows(query)
        whole.sort(key=lambda row: (row["modified_at"], row["id"]))
        ids = [row["id"] for row in whole]
        for sql in (
            "SELECT i.id, i.trace_id FROM sys_invocation i LEFT JOIN sys_deployment d"
            " ON d.id = i.pinned_deployment_id ORDER BY i.modified_at, i.id LIMIT 5 OFFSET 3",
            "SELECT id, modified_at AS at, trace_id FROM sys_invocation ORDER BY at, id"
            " LIMIT 5 OFFSET 3",
            "SELECT * FROM (SELECT id, modified_at, trace_id FROM sys_invocation) x"
            " ORDER BY x.modified_at, x.id LIMIT 5 OFFSET 3",
        ):
            assert [row["id"] for row in await ask(query, sql)] == ids[3:8], sql
        joined = (
            "SELECT a.id, b.trace_id FROM sys_invocation a LEFT JOIN sys_invocation b"
            " ON a.id = b.id ORDER BY a.modified_at, a.id LIMIT 5"
        )
        assert [row["id"] for row in await ask(query, joined)] == ids[:5]

    run(check, various())


def test_rows_of_completed_ones_are_read_for_few_only() -> None:
    """Counted by what the server was asked for."""

    async def check(query: SqlQuery, rows: Rows) -> None:
        for sql in (
            "SELECT COUNT(*) FROM sys_invocation",
            "SELECT status, target_service_name, COUNT(1) FROM sys_invocation GROUP BY 1, 2",
            "SELECT id, target, last_failure FROM sys_invocation ORDER BY created_at LIMIT 3",
            "SELECT * FROM sys_invocation WHERE target_service_key = 'k1' AND completed_at IS NULL",
            "SELECT * FROM sys_invocation ORDER BY created_at DESC LIMIT 3",
            "SELECT * FROM sys_invocation WHERE status IN ('running', 'ready', 'pending', 'new')",
        ):
            rows.read.clear()
            await ask(query, sql)
            assert rows.read[keys.COMPLETED] < 45, sql
        rows.read.clear()
        await ask(query, "SELECT * FROM sys_invocation LIMIT 3")
        await ask(query, "SELECT * FROM sys_invocation WHERE target LIKE 'Flow/%' LIMIT 1")
        assert not rows.read[keys.COMPLETED]

    run(check, various(300))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT status, target_service_name, COUNT(1) FROM sys_invocation GROUP BY 1, 2",
        "SELECT * FROM sys_invocation WHERE target_service_name = 'Greeter' OR status = 'running'"
        " ORDER BY created_at DESC LIMIT 10",
    ],
)
def test_twice_as_many_cost_twice_as_many_listings_and_no_more_rows(sql: str) -> None:
    read: list[Counter[bytes]] = []

    async def check(query: SqlQuery, rows: Rows) -> None:
        await ask(query, sql)
        read.append(rows.read)

    for count in (3_000, 6_000):
        bench = filled()
        for number in range(1_000, 1_000 + count):
            bench.now_ms += 1
            bench.invoke(uid(number))
            bench.finish(uid(number))
        run(check, bench)
    once, twice = read
    assert twice[keys.LISTING] <= 2 * once[keys.LISTING] <= 2 * (3_000 / 1_024 + 1)
    assert twice[keys.COMPLETED] == once[keys.COMPLETED] <= 10
    assert twice[keys.INVOCATION] == once[keys.INVOCATION]


def test_ids_in_a_long_list_are_looked_up() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        ids = ", ".join(f"'{invocation_id_to_str(uid(n))}'" for n in range(100, 140))
        given = await ask(query, f"SELECT id, trace_id FROM sys_invocation WHERE id IN ({ids})")
        assert len(given) == 34 and b"" not in rows.asked

    run(check, various())


def test_an_invocation_that_completes_meanwhile_is_shown_once() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        asked = rows.export

        def overtaken(*args: Any) -> Any:
            stream = asked(*args)
            rows.bench.do(Kill(FAILING, rows.bench.now_ms))
            return stream

        rows.export = overtaken  # type: ignore[method-assign]
        shown = await ask(query, "SELECT id, status FROM sys_invocation")
        wanted = invocation_id_to_str(FAILING)
        assert [row["status"] for row in shown if row["id"] == wanted] == ["backing-off"]

    run(check)


# in this process


def listings(bench: Bench) -> Iterator[Listed]:
    bench.state.spill()
    rows = bench.store.scan(keys.LISTING, keys.prefix_end(keys.LISTING))
    return read_listings(rows, bench.now_ms, set())


def test_one_that_was_purged_and_done_again_is_shown_once() -> None:
    """Its id is made from its key: only its earlier life is gone."""
    bench = Bench()
    bench.now_ms = time.time_ns() // 1_000_000
    for number in (1, 2, 1):
        if number == 2:
            bench.do(Purge(uid(1), bench.now_ms))
        bench.invoke(uid(number), key="k", kind=WORKFLOW_RUN)
        bench.finish(uid(number))

    async def check(query: SqlQuery, rows: Rows) -> None:
        shown = await ask(query, "SELECT id FROM sys_invocation ORDER BY id")
        assert [row["id"] for row in shown] == sorted(map(invocation_id_to_str, (uid(1), uid(2))))

    run(check, bench)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("count", [1, 10, 37, 1_000])
def test_the_first_ones_are_found_though_much_is_cut(
    monkeypatch: pytest.MonkeyPatch, count: int, descending: bool
) -> None:
    monkeypatch.setattr(finding, "_CUT_AT_ROWS", 3)
    monkeypatch.setattr(listed, "LISTINGS_AT_ONCE", 1)
    bench = various(200)
    whole = [pair for each in listings(bench) for pair in _pairs(each)]
    whole.sort(key=lambda pair: pair[0], reverse=descending)
    top = Top("created_at", "", descending, count)
    some = found(listings(bench), Sought(None, frozenset(), frozenset(), top), pa.schema([]))
    kept = {pair for each in some for pair in _pairs(each)}
    last = whole[min(count, len(whole)) - 1][0]
    inside = {p for p in whole if (p[0] >= last if descending else p[0] <= last)}
    assert kept == inside >= set(whole[:count])


def _pairs(each: Listed) -> list[tuple[int, bytes]]:
    return list(zip(each["created_at"].to_pylist(), each.ids, strict=True))


def test_what_is_of_a_name_is_the_same_for_all_of_it() -> None:
    schema = pa.schema([one for one in SCHEMAS["sys_invocation"] if one.name in OF_NAMES])
    assert len(schema) == len(OF_NAMES)
    for whole in listings(various(100)):
        of_names = pa.table(listed_batch(whole.only_names, LISTED_COLUMNS, schema))
        shown = pa.table(listed_batch(whole, LISTED_COLUMNS, schema))
        assert of_names.take(whole["_name"]) == shown


@pytest.mark.parametrize(
    ("where", "column"),
    [
        (pc.field("target_service_name") == "Counter", "target_service_name"),
        (pc.field("status") != "completed", "status"),
        (pc.match_like(pc.field("pinned_deployment_id"), "dp_%"), "pinned_deployment_id"),
    ],
)
def test_a_filter_by_names_looks_at_these_alone(
    monkeypatch: pytest.MonkeyPatch, where: pc.Expression, column: str
) -> None:
    bench = various(200)
    looked = []
    as_batch = finding.listed_batch

    def counted(some: Listed, *how: Any) -> Any:
        looked.append(len(some))
        return as_batch(some, *how)

    monkeypatch.setattr(finding, "listed_batch", counted)
    schema = SCHEMAS["sys_invocation"]
    wanted = Sought(where, frozenset((column,)), frozenset(), None)
    kept = [identity for each in found(listings(bench), wanted, schema) for identity in each.ids]
    assert looked and max(looked) < 16  # of 150
    shown = [pa.table(listed_batch(each, LISTED_COLUMNS, schema)) for each in listings(bench)]
    passing = pa.concat_tables(shown).filter(where)["id"].to_pylist()
    assert list(map(invocation_id_to_str, kept)) == passing


def test_the_id_of_the_first_of_each_group() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        for where in (
            "true",
            "target_service_name IN ('Greeter', 'Counter')",
            "upper(target) = 'GREETER/GREET'",
            "created_at > TIMESTAMP '2020-01-01T00:00:00Z' AND id != 'inv_1'",
            "last_failure IS NULL",
        ):
            whole = await ask(query, f"SELECT * FROM sys_invocation WHERE {where}")
            for group in ("target_service_name", "status", "target_service_key"):
                for order, pick in (("ASC", min), ("DESC", max)):
                    first = f"FIRST_VALUE(id ORDER BY created_at {order})"
                    given = await ask(
                        query,
                        f"SELECT {group} AS g, COUNT(1) AS n, {first} AS id FROM sys_invocation"
                        f" WHERE {where} GROUP BY 1",
                    )
                    assert {row.get("g") for row in given} == {row.get(group) for row in whole}
                    for row in given:
                        members = [one for one in whole if one.get(group) == row.get("g")]
                        time_of = {one["id"]: one["created_at"] for one in members}
                        assert row["n"] == len(members)
                        assert time_of[row["id"]] == pick(time_of.values())

    run(check, various())


def test_other_ids_are_not_made() -> None:
    bench = various(200)
    first = FirstId("created_at", False, frozenset(("target_service_name",)))
    wanted = Sought(None, frozenset(), frozenset(), None, first)
    shown = [one for each in listings(bench) for one in columns_of(wanted)["id"](each).to_pylist()]
    assert sum(map(bool, shown)) <= 20 and len(shown) > 100
    counted = first._replace(groups=frozenset(("target_service_key",)))
    assert columns_of(wanted._replace(first_id=counted)) is LISTED_COLUMNS


def test_many_ids_as_text() -> None:
    some = [bytes(24), b"\xff" * 24, *(uid(n * n * 7919) for n in range(500))]
    some += [bytes((n * k * 31) % 256 for k in range(1, 25)) for n in range(500)]
    texts = [invocation_id_to_str(one) for one in some]
    assert id_texts(b"".join(some)).to_pylist() == texts
    assert id_texts(b"".join(some * 40)).to_pylist() == texts * 40  # more than tables are kept for
    assert id_texts(b"").to_pylist() == []


def test_texts_and_numbers_of_many_listings_are_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestrator.tables import listings as made

    monkeypatch.setattr(made, "_FULL_COUNT", 5)
    bench = various(100)
    found_here = {
        identity: target
        for one in listings(bench)
        for identity, target in zip(one.ids, LISTED_COLUMNS["target"](one).to_pylist(), strict=True)
    }
    assert len(found_here) > 60
    for identity, target in found_here.items():
        done = bench.done(identity)
        assert done is not None
        keyed = f"{done.invoke.key}/" if done.invoke.kind else ""
        assert target == f"{done.invoke.service}/{keyed}{done.invoke.handler}"
