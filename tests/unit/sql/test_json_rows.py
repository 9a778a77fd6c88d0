"""Every type an answer can have, as JSON."""

import datafusion
import orjson
import pyarrow as pa
import pytest

from orchestrator.sql.json_rows import LARGE_CHARS, json_rows


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("NULL", b"{}"),
        ("18446744073709551615", b'{"x":18446744073709551615}'),
        ("CAST(1.5 AS DECIMAL(10, 2))", b'{"x":1.50}'),
        ("1e300 * 1e300", b'{"x":null}'),
        ("x'01ff'", b'{"x":"01ff"}'),
        ("arrow_cast(x'01', 'BinaryView')", b'{"x":"01"}'),
        ("DATE '2024-02-29'", b'{"x":"2024-02-29"}'),
        ("TIMESTAMP '2024-01-01T00:00:00.123456789'", b'{"x":"2024-01-01T00:00:00.123456789"}'),
        (
            "arrow_cast(1500, 'Timestamp(Millisecond, Some(\"UTC\"))')",
            b'{"x":"1970-01-01T00:00:01.500Z"}',
        ),
        ("arrow_cast(86400000, 'Duration(Millisecond)')", b'{"x":"PT86400S"}'),
        ("arrow_cast(-1500, 'Duration(Millisecond)')", b'{"x":"-PT1.5S"}'),
        ("arrow_cast(1, 'Duration(Nanosecond)')", b'{"x":"PT0.000000001S"}'),
        ("INTERVAL '1 day'", b'{"x":"1 days"}'),
        ("INTERVAL '1 month 2.5 seconds'", b'{"x":"1 mons 2.5 secs"}'),
        ("INTERVAL '0 days'", b'{"x":"0 secs"}'),
        ("[1, 2]", b'{"x":[1,2]}'),
        ("[[x'01'], []]", b'{"x":[["01"],[]]}'),
        ("MAP(['a'], [x'01'])", b'{"x":{"a":"01"}}'),
        ("named_struct('a', x'01', 'b', NULL)", b'{"x":{"a":"01","b":null}}'),
        ("arrow_cast('a', 'Dictionary(Int32, Utf8)')", b'{"x":"a"}'),
    ],
)
def test_types(sql: str, shown: bytes) -> None:
    answer = datafusion.SessionContext().sql(f"SELECT {sql} AS x").execute_stream()
    assert [row for batch in answer for row in json_rows(batch.to_pyarrow())] == [shown]


def test_now_and_ages_can_be_asked_for() -> None:
    sql = "SELECT now() AS now, now() - TIMESTAMP '2024-01-01T00:00:00' AS age"
    answer = datafusion.SessionContext().sql(sql).execute_stream()
    (row,) = [row for batch in answer for row in json_rows(batch.to_pyarrow())]
    found = orjson.loads(row)
    assert found["now"].startswith("20") and found["age"].startswith("PT")


def test_long_texts_and_bytes_are_as_short_ones() -> None:
    text = 'é"\\\n\x00\u2028' * LARGE_CHARS
    content = bytes(range(256)) * (LARGE_CHARS // 256)
    batch = pa.record_batch(
        {"text": pa.array([text, "short", None]), "content": pa.array([content, b"\xff", None])}
    )
    assert [orjson.loads(row) for row in json_rows(batch)] == [
        {"text": text, "content": content.hex()},
        {"text": "short", "content": "ff"},
        {},
    ]
