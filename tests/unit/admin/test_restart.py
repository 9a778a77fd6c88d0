"""The journal a restarted invocation begins with."""

import pytest

from orchestrator.admin.restart import RestartRefused, prefix_of
from orchestrator.model.values import FAILURE, SUCCESS
from perdure import wire
from perdure.wire import codes

INPUT = wire.input_command((), b"in")
RUN = wire.encode(wire.RunCommand(1, "step"), version=6)
RAN = wire.completion_value(codes.RUN_COMPLETION, 1, b"v")
OTHER = wire.completion_value(codes.SLEEP_COMPLETION, 2, b"")
SIGNAL = wire.signal_notification(17, failure=wire.WireFailure(500, "no"))
NAMED = wire.signal_notification("go", value=b"v")


def test_a_prefix_keeps_what_its_commands_wait_for_and_where_signals_lie() -> None:
    prefix = prefix_of([INPUT, RUN, SIGNAL, NAMED, OTHER, RAN], 3, "dp_1", 6)
    assert prefix.frames == RUN + SIGNAL + NAMED + RAN
    assert (prefix.entries, prefix.commands) == (5, 2)
    assert prefix.completions == ((1, SUCCESS),)
    assert prefix.signals == ((17, 2 << 2 | FAILURE),)
    assert prefix.names == (("go", 3 << 2 | SUCCESS),)


def test_a_command_without_its_result_cannot_be_kept() -> None:
    with pytest.raises(RestartRefused, match="without their result"):
        prefix_of([INPUT, RUN], 1, "dp_1", 6)
