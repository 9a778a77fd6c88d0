"""The benchmark's own instruments: what it parses, counts and concludes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import bars, budget, flows, load, proc, replay, report
from tests.bench.bars import NOT_MEASURED
from tests.bench.cells import Cell, cells, sdk_cells
from tests.bench.results import Results
from tests.bench.results import load as load_results
from tests.bench.sampled import room_of
from tests.bench.systems import EMBEDDED, RESTATE
from tests.bench.topic_cells import topic_cells
from tests.parts.processes import wait_until

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"ok"'


@pytest.mark.parametrize(
    "whole",
    [
        _ANSWER,
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ],
)
def test_a_response_ends_with_its_last_byte(whole: bytes) -> None:
    assert load.response_end(whole) == len(whole)
    for cut in range(len(whole)):
        assert load.response_end(whole[:cut]) == 0


@pytest.mark.parametrize("flow", [*flows.FLOWS.values(), flows.nap("nap", 1000, "/send")])
def test_every_request_says_its_true_length(flow: flows.Flow) -> None:
    number = 1_234_567
    for text in flow.requests:
        request = text.encode()
        whole = request % number if b"%d" in request else request
        head, body = whole.split(b"\r\n\r\n", 1)
        declared = [line for line in head.split(b"\r\n") if line.startswith(b"content-length")]
        assert int(declared[0].split(b":")[1]) == len(body) if declared else body == b""


class _Answering(threading.Thread):
    """Answers every read on every connection, the tenth with a 503."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.count = 0

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            while connection.recv(65536):
                self.count += 1
                refused = _ANSWER.replace(b"200 OK", b"503 Busy")
                connection.sendall(refused if self.count % 10 == 0 else _ANSWER)


@pytest.fixture
def answering() -> Iterator[_Answering]:
    server = _Answering()
    server.start()
    yield server
    server.join(5)
    server.listener.close()


def _plan(answering: _Answering) -> load.Plan:
    return {
        "port": answering.listener.getsockname()[1],
        "connections": 1,
        "requests": [flows.post("/Counter/k%d/add", "1")],
        "first": 0,
        "modulo": 7,
        "warmup_s": 0.0,
        "seconds": 20.0,
        "total": 100,
    }


def test_a_plan_with_a_total_sends_just_so_many_and_counts_what_was_refused(
    answering: _Answering,
) -> None:
    marks: list[str] = []
    result = load.run(_plan(answering), marks.append)
    assert marks == ["begin", "end"]
    assert answering.count == 100
    assert (result["completed"], result["errors"]) == (90, 10)
    assert result["first_error"].startswith("HTTP/1.1 503 Busy")
    assert 0 < result["p50_ms"] <= result["p99_ms"]


def test_a_plan_that_repeats_sends_again_what_was_refused(answering: _Answering) -> None:
    result = load.run({**_plan(answering), "repeats": True}, lambda word: None)
    assert answering.count == 111
    assert (result["completed"], result["errors"]) == (100, 0)


def test_the_kernel_is_asked_for_cpu_memory_and_disk(tmp_path: Path) -> None:
    before_s, until = proc.cpu_s(os.getpid()), time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert 0.1 < proc.cpu_s(os.getpid()) - before_s < 1.0
    assert proc.kernel_workers_s() <= proc.busy_s()
    assert proc.resident_mb(os.getpid()) > 5
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert 2.9 < proc.disk_mb(tmp_path) < 3.2


def test_only_keeps_the_cells_whose_name_holds_the_text() -> None:
    assert Cell("typescript", "greet", 256) in cells(full=True, only=[])
    assert [cell.name for cell in cells(full=False, only=["uvicorn/greet@64"])] == [
        "uvicorn/greet@64"
    ]
    barred = {cell.name for cell in cells(full=False, only=[])}
    barred |= {cell.name for cell in topic_cells([])}
    assert {bar.cell for bar in bars.BARS} <= barred | {"life"}
    assert [cell.name for cell in topic_cells(["uvicorn/ingress"])] == ["uvicorn/ingress-topic@64"]
    assert topic_cells(["greet@64"]) == []


def test_every_bar_of_the_sdk_has_its_two_cells() -> None:
    measured = {(cell.name, system) for cell in sdk_cells([]) for system in cell.systems}
    for bar in bars.SDK_BARS:
        assert (bar.cell, bar.system) in measured
        assert (bar.against_cell, bar.against) in measured
    assert {cell.name for cell in sdk_cells(["greet@1"])} == {
        "perdure/greet@1",
        "hypercorn/greet@1",
    }
    in_turn = [cell.name.split("/")[1] for cell in sdk_cells([])]
    assert in_turn == sorted(in_turn, key=in_turn.index), "cells of a flow follow each other"


def _results(ours: float, theirs: float) -> Results:
    sizes = {"completed": 100_000, "sleepers": 10_000}
    results = Results({"repeats": 3, "seconds": 5.0, "warmup": 2.0, "sizes": sizes})
    for turn in (-1, 0, 1):
        for system, rate in ((EMBEDDED, ours), (RESTATE, theirs)):
            measured = {"per_second": rate + turn, "server_cpu_us": 1e6 / rate, "errors": 0}
            results.add("typescript/greet@64", system, measured)
    return results


@pytest.mark.parametrize(("ours", "word"), [(1_700, "FAIL"), (1_900, "pass"), (2_600, "aim")])
def test_a_bar_is_judged_by_the_ratio_of_medians(ours: float, word: str) -> None:
    verdict = bars.judge(_results(ours, 1_000))[0]
    assert verdict.bar.cell == "typescript/greet@64"
    assert verdict.measured == pytest.approx(ours / 1_000)
    assert verdict.word == word


def test_the_sdk_is_judged_against_another_cell() -> None:
    results = Results({**_results(1, 1).settings, "sdk": True})
    for cell, used in (("perdure/greet@64", 200.0), ("hypercorn/greet@64", 900.0)):
        measured = {"service_cpu_us": used, "per_second": 1.0, "errors": 0}
        results.add(cell, EMBEDDED, {**measured, "strangers_percent": 0.0})
    verdict = bars.judge(results)[0]
    assert (verdict.ours, verdict.theirs, verdict.word) == (200.0, 900.0, "aim")
    assert bars.against_title(verdict.bar) == "Perdure, embedded log: hypercorn"
    results.repeats("hypercorn/greet@64", EMBEDDED)[0]["strangers_percent"] = 40.0
    assert bars.judge(results)[0].noisy


def test_a_system_that_answered_with_errors_has_no_figure() -> None:
    results = _results(3_000, 1_000)
    results.repeats("typescript/greet@64", EMBEDDED)[0]["errors"] = 1
    assert bars.judge(results)[0].word == NOT_MEASURED


def test_a_verdict_on_a_busy_machine_says_so() -> None:
    results = _results(3_000, 1_000)
    assert not bars.judge(results)[0].noisy
    for measured in results.repeats("typescript/greet@64", RESTATE):
        measured["strangers_percent"] = 40.0
    assert bars.judge(results)[0].noisy


def test_results_are_kept_and_written_between_the_markers(tmp_path: Path) -> None:
    results = _results(2_000, 1_000)
    kept = tmp_path / "results.json"
    results.save(kept)
    document = tmp_path / "benchmarks.md"
    topics = f"{report.TOPICS_BEGIN}\nof topics\n{report.TOPICS_END}"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\n{topics}\nafter\n")
    report.write(load_results(kept), document)
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith(f"{topics}\nafter\n")
    assert "| 2,000 : 1,000 | 2.00× | ≥ 1.8× | ≥ 2.5× | pass |" in text and "old" not in text


def test_a_run_of_topics_leaves_the_figures_of_calls_alone(tmp_path: Path) -> None:
    results = Results(_results(1, 1).settings)
    burst = {"per_second": 4_000.0, "lag_records": 9, "drain_s": 1.0, "errors": 0}
    results.add(topic_cells([])[0].name, EMBEDDED, burst)
    document = tmp_path / "benchmarks.md"
    calls = f"{report.BEGIN}\nof calls\n{report.END}"
    document.write_text(f"{calls}\n{report.TOPICS_BEGIN}\nold\n{report.TOPICS_END}\n")
    report.write(results, document)
    text = document.read_text()
    assert text.startswith(calls) and "old" not in text
    assert "| Perdure, embedded log | 4,000 | 9.00 | 1.00 |" in text


def test_cpu_is_laid_to_the_room_of_the_innermost_file() -> None:
    assert room_of("/x/orchestrator/ingress/app.py") == "ingress"
    assert room_of("/x/sdk/perdure/wire/frames.py") == "wire"
    assert room_of("/x/site-packages/uvicorn/protocols/http/httptools_impl.py") == "uvicorn"
    assert room_of("/usr/lib/python3.11/asyncio/events.py") is None
    parts = budget.by_part([("ingress", 20.0), ("uvicorn", 10.0), ("rdk", 5.0), ("new", 1.0)])
    assert (parts["HTTP face"], parts["log"], parts["other"]) == (30.0, 5.0, 1.0)


@pytest.mark.parametrize("calls", [1, 100])
def test_a_store_is_filled_from_the_log_of_a_replay(calls: int) -> None:
    assert replay.replay(calls).records == 1 + 2 * calls


def test_a_run_that_is_ended_by_a_signal_ends_what_it_has_started() -> None:
    program = (
        "import time; from tests.parts.processes import Process\n"
        "one = Process('sleep', ['sleep', '300']); one.start()\n"
        "print(one.pid, flush=True); time.sleep(300)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        run.terminate()
        assert run.wait(20) == 143
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10, "the end of what was started")
