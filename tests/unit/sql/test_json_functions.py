"""JSON in queries: functions and operators, written as calls that DataFusion can be given."""

import pytest

from orchestrator.sql.json_operators import with_json
from orchestrator.sql.query import SqlQuery
from tests.unit.sql.world import Rows, ask, run

DOCUMENT = '{"a":{"b":[1,{"c":"x"}]},"n":null,"t":true,"s":"é","f":1.5,"big":12345678901234567890}'
VALUES = {
    "d ->> 's'": "é",
    "d ->> 'n'": None,
    "d ->> 'a'": '{"b":[1,{"c":"x"}]}',
    "d -> 'a' -> 'b' -> 1 ->> 'c'": "x",
    "d->'a'->'b'->>0": "1",
    "d -> 'none' ->> 'c'": None,
    "d ? 'n'": True,
    "d ? 'none'": False,
    "json_get_str(d, 'a', 'b', 1, 'c')": "x",
    "json_get_str(d, 'f')": None,
    "json_get_int(d, 'a', 'b', 0)": 1,
    "json_get_int(d, 't')": None,
    "json_get_int(d, 'big')": None,
    "json_get_float(d, 'f') + 1": 2.5,
    "json_get_bool(d, 't')": True,
    "json_get_json(d, 'a', 'b')": '[1,{"c":"x"}]',
    "json_as_text(d, 'a', 'b', 1)": '{"c":"x"}',
    "json_get_int('[\"3\"]', 0)": 3,
    "json_get_int('[\" 3\"]', 0)": None,
    "json_get_float('[\"-1.5e2\"]', 0)": -150.0,
    "json_get_float('[\"inf\"]', 0)": None,
    "json_get_bool('[\"true\"]', 0)": True,
    "json_get_bool('[\"yes\"]', 0)": None,
    'json_get_array(\'[1,{"b":2},"s",null]\')': ["1", '{"b":2}', '"s"', "null"],
    "json_get_array(d, 'a', 'b')[2]": '{"c":"x"}',
    "json_get_array(d, 'a')": None,
    "json_object_keys(d, 'a')": ["b"],
    "json_keys('{}')": [],
    "json_keys(d, 's')": None,
    "json_len(d, 'a', 'b')": 2,
    "json_length(d)": 6,
    "json_length(d, 'a', 'b')": 2,
    "json_length(d, 's')": None,
    "json_contains(d, 'a', 'b', 7)": False,
    "JSON_CONTAINS(d, 'a')": True,
    "json_as_text('no json', 'a')": None,
    "json_as_text(NULL, 'a')": None,
    "json_contains(NULL, 'a')": False,
    "(d ->> 'f')::double + 1": 2.5,
    "CASE WHEN d ? 'a' AND d ->> 's' = 'é' THEN 1 ELSE 2 END": 1,
    "upper(d ->> 's')": "É",
    "x.d ->> lower('S')": "é",
    "d::text ->> 's'": "é",
    "'a -> b' || \"d\" ->> 's'": "a -> bé",
}


def test_values() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        for expression, value in VALUES.items():
            sql = f"SELECT {expression} AS v FROM (SELECT '{DOCUMENT}' AS d) x"
            (row,) = await ask(query, sql)
            assert row.get("v") == value, expression

    run(check)


def test_over_a_table() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        sql = (
            "SELECT entry_json -> 'Command' ->> 'Input' AS i FROM sys_journal"
            " WHERE json_contains(entry_json, 'Command', 'Input') AND index = 0"
        )
        given = await ask(query, sql)
        assert given and all(row["i"].startswith('{"headers"') for row in given)

    run(check)


def test_a_column_has_the_name_that_was_written() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        (row,) = await ask(query, "SELECT json_length('[1]')")
        assert list(row) == ['json_length(Utf8("[1]"))']

    run(check)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'a ->> b', \"x -> y\" FROM t -- a -> b\n /* c ->> d */",
        "SELECT json_x(1), '? json_get' FROM t",
        "SELECT -> 'a'",
        "SELECT a ->",
        "SELECT json_get(a",
        "SELECT a FROM t WHERE ? = 1",
    ],
)
def test_what_is_no_json_is_left_alone(sql: str) -> None:
    assert with_json(sql) == sql


def test_nulls_are_told_if_they_are_asked_for() -> None:
    async def check(query: SqlQuery, rows: Rows) -> None:
        sql = "SELECT 1 AS b, NULL AS a, MAX(id) AS c FROM sys_deployment"
        body = b"".join([part async for part in query.json(sql, nulls=True).parts])
        assert body == b'{"rows":[{"b":1,"a":null,"c":null}]}'
        body = b"".join([part async for part in query.json(sql).parts])
        assert body == b'{"rows":[{"b":1}]}'

    run(check)
