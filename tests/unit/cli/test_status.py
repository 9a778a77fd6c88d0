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


def test_metrics_are_read() -> None:
    found = status._read('# HELP a b\na_total{x="1",y="q\\"z"} 2.5\nb 3\na_total{x="2",y=""} 1e3\n')
    assert found["b"] == {(): 3.0}
    assert found["a_total"] == {
        (("x", "1"), ("y", 'q\\"z')): 2.5,
        (("x", "2"), ("y", "")): 1000.0,
    }
