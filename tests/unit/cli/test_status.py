"""`perdure status` against a running admin API."""

from collections.abc import Callable

from orchestrator.cli import status
from tests.unit.admin.world import World
from tests.unit.cli.printed import Printed

Perdure = Callable[..., Printed]


def test_a_server_that_does_well(server: World, perdure: Perdure) -> None:
    shown = perdure("status")
    assert shown.code == 0 and "takes new work" in shown.out
    found = perdure("status", "--json").json
    assert found["healthy"] is True and found["cluster"] == "perdure"


def test_one_that_takes_no_work(server: World, perdure: Perdure) -> None:
    server.engine.closed = "partition 3 is being restored, 40%"
    shown = perdure("status")
    assert shown.code == 1 and "is being restored, 40%" in shown.out
    server.metadata._is_known = False
    found = perdure("status", "--json").json
    assert found["reason"].startswith("partition 3") and found["subscriptions"] is None


def test_what_cannot_be_known_is_not_shown_as_none() -> None:
    """While the brokers of the log are away the group takes all partitions from their leader."""
    text = (
        'perdure_build_info{log="kafka"} 1\nperdure_partitions{state="leading"} %d\n'
        'perdure_invocations{status="invoked"} 0\nprocess_start_time_seconds 1\n'
    )
    led, away = (status._measured(status._read(text % count)) for count in (1, 0))
    assert led["invocations"] == {"invoked": 0} and led["lag_records"] == {}
    assert away["invocations"] is None and away["lag_records"] is None
    assert status._invocations(None) == status._lag(None) == status._NOT_KNOWN


def test_metrics_are_read() -> None:
    found = status._read('# HELP a b\na_total{x="1",y="q\\"z"} 2.5\nb 3\na_total{x="2",y=""} 1e3\n')
    assert found["b"] == {(): 3.0}
    assert found["a_total"] == {
        (("x", "1"), ("y", 'q\\"z')): 2.5,
        (("x", "2"), ("y", "")): 1000.0,
    }
