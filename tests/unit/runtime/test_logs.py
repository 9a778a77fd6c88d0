"""Log lines: times with their zone, one tree of names, codes, and JSON that can be parsed."""

import io
import json
import logging
import re
import time
import warnings
from collections.abc import Iterator

import pytest

from orchestrator.runtime.logs import log_to, logger_of


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = kept
    root.setLevel(level)
    logging.captureWarnings(False)


def written(form: str, level: str = "info") -> list[str]:
    stream = io.StringIO()
    log_to(stream, level, form)
    logging.getLogger("perdure.node").warning("PD0208 the metadata of %s: %s", "ä", 'a "b"')
    logging.getLogger("perdure.node").debug("not shown")
    logging.getLogger("uvicorn.error").info("not shown either")
    logging.getLogger("uvicorn.error").warning("from a library")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("an old way", stacklevel=1)
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("perdure.admin").exception("failed\nbadly")
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("root")
def test_text() -> None:
    lines = written("text")
    time_of = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    assert re.fullmatch(time_of + ' WARNING perdure.node PD0208 the metadata of ä: a "b"', lines[0])
    assert re.fullmatch(time_of + " WARNING perdure.admin from a library", lines[1])
    assert any("KeyError: 'x'" in line for line in lines)
    assert not any("not shown" in line for line in lines)


@pytest.mark.usefixtures("root")
def test_json_is_one_object_a_line() -> None:
    found = [json.loads(line) for line in written("json")]
    assert [one["level"] for one in found] == ["warning", "warning", "warning", "error"]
    assert all(one["logger"].startswith("perdure.") for one in found)
    assert found[0]["code"] == "PD0208"
    assert found[0]["message"] == 'the metadata of ä: a "b"'
    assert "an old way" in found[2]["message"]
    assert found[3]["message"] == "failed\nbadly" and "KeyError" in found[3]["error"]


@pytest.mark.usefixtures("root")
def test_the_zone_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-05:30")
    time.tzset()
    try:
        assert "+05:30 WARNING" in written("text")[0]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_names_of_libraries_are_within_the_tree() -> None:
    assert logger_of("perdure.log.kafka") == "perdure.log.kafka"
    assert logger_of("asyncio") == "perdure.loop"
    assert logger_of("somebody.else") == "perdure.somebody.else"
