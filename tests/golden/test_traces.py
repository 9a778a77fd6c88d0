"""What the machine does in whole lives, as text that can be read and compared.

`PERDURE_REWRITE_GOLDEN=1` writes the files anew: read the difference before you keep it.
"""

from pathlib import Path

import pytest

from tests.golden.golden_file import compare
from tests.golden.lives import LIVES, NAMES
from tests.golden.topic_lives import TOPIC_LIVES
from tests.golden.trace import Trace

ALL = LIVES | TOPIC_LIVES
TRACES = Path(__file__).parent / "traces"


@pytest.mark.parametrize("name", ALL)
def test_a_life(name: str) -> None:
    live, partitions = ALL[name]
    trace = Trace(dict(NAMES), partitions)
    live(trace, trace.benches[0])
    compare(TRACES / f"{name}.txt", trace.text)


def test_no_trace_is_left_over() -> None:
    assert sorted(file.stem for file in TRACES.iterdir()) == sorted(ALL)
