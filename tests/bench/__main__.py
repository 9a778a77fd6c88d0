"""`python -m tests.bench`: run the benchmark, judge the bars, write `docs/benchmarks.md`."""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.bench import bars, cells, report, results
from tests.bench.life import Sizes
from tests.bench.results import LIFE, Results
from tests.bench.runner import Runner, Schedule
from tests.bench.systems import EMBEDDED, KAFKA, NAMES, RESTATE_4
from tests.bench.topic_cells import topic_cells
from tests.bench.topics import TopicShape

_REPOSITORY = Path(__file__).resolve().parents[2]
_CACHE = _REPOSITORY / ".cache" / "bench"
_BUDGET = "budget"
_DOCUMENT = _REPOSITORY / "docs" / "benchmarks.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = ",".join(NAMES)
    parser.add_argument("--full", action="store_true", help="all cells, and a life of each system")
    parser.add_argument(
        "--sdk", action="store_true", help="our SDK beside restate-sdk, by turns; nothing else"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="cells whose name holds TEXT (greet@64, topic); `life`; `budget`; repeatable",
    )
    parser.add_argument("--systems", default=names, help=f"some of {names}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lives", type=int, help="repeats that include a life; all by default")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured, a cell")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before, a cell")
    parser.add_argument("--completed", type=int, default=100_000, help="calls that fill a life")
    parser.add_argument("--sleepers", type=int, default=10_000, help="asleep at kill -9")
    parser.add_argument("--records", type=int, default=20_000, help="of a burst to a topic")
    parser.add_argument("--write", action="store_true", help="write the document after any run")
    parser.add_argument("--report", type=Path, help="no run: write the document from this JSON")
    return parser.parse_args()


def _schedule(asked: argparse.Namespace) -> Schedule:
    systems = [name for name in NAMES if name in asked.systems.split(",")]
    if asked.sdk:
        return _sdk_schedule(asked, systems)
    only = [text for text in asked.only if text not in (LIFE, _BUDGET)]
    wanted = [] if asked.only and not only else cells.cells(asked.full, only)
    lives = systems if asked.full else [name for name in systems if name != RESTATE_4]
    return Schedule(
        systems=systems,
        cells=wanted,
        topic_cells=topic_cells(only) if only or not asked.only else [],
        lives_of=lives if not asked.only or LIFE in asked.only else [],
        budgets_of=[name for name in systems if name in (EMBEDDED, KAFKA)]
        if not asked.only or _BUDGET in asked.only
        else [],
        repeats=asked.repeats,
        lives=asked.repeats if asked.lives is None else asked.lives,
        seconds=asked.seconds,
        warmup_s=asked.warmup,
        sizes=Sizes(completed=asked.completed, sleepers=asked.sleepers),
        topics=TopicShape(records=asked.records, seconds=asked.seconds, warmup_s=asked.warmup),
    )


def _sdk_schedule(asked: argparse.Namespace, systems: list[str]) -> Schedule:
    wanted = cells.sdk_cells(asked.only)
    return Schedule(
        systems=[name for name in systems if any(name in cell.systems for cell in wanted)],
        cells=wanted,
        topic_cells=[],
        lives_of=[],
        budgets_of=[],
        repeats=asked.repeats,
        lives=0,
        seconds=asked.seconds,
        warmup_s=asked.warmup,
        sizes=Sizes(completed=asked.completed, sleepers=asked.sleepers),
        topics=TopicShape(records=0, seconds=0.0, warmup_s=0.0),
        takes_turns=True,
    )


def _say(text: str) -> None:
    print(text, flush=True)


def _measured(asked: argparse.Namespace) -> Results:
    schedule = _schedule(asked)
    # Five thousand connections, here and in the servers, which inherit the limit.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    settings = {
        "repeats": asked.repeats,
        "lives": schedule.lives,
        "seconds": asked.seconds,
        "warmup": asked.warmup,
        "sizes": asdict(schedule.sizes),
        "sdk": asked.sdk,
    }
    found = Results(settings)
    scratch = _CACHE / f"scratch-{time.time_ns()}"
    try:
        Runner(schedule, found, scratch, _say).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        path = _CACHE / f"results-{time.strftime('%Y%m%d-%H%M%S')}.json"
        found.save(path)
        _say(f"raw results: {path.relative_to(_REPOSITORY)}")
    return found


def main() -> int:
    asked = _arguments()
    found = results.load(asked.report) if asked.report else _measured(asked)
    _say(report.generated(found))
    partial = bool(asked.only) or asked.systems != ",".join(NAMES)
    if asked.report or asked.write or not partial:
        report.write(found, _DOCUMENT)
        _say(f"written: {_DOCUMENT.relative_to(_REPOSITORY)}")
    verdicts = [verdict.word for verdict in bars.judge(found)]
    failed = verdicts.count("FAIL") + len(found.failures)
    _say(f"bars: {len(verdicts) - verdicts.count('not measured')} judged, {failed} failed")
    partial = partial or asked.sdk
    return 1 if failed or (not partial and bars.NOT_MEASURED in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
