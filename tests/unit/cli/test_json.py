"""`--json`: every command prints one document on stdout, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.cli.known import KNOWN, root
from orchestrator.model.records import PatchState
from perdure.wire.ids import invocation_id_to_str
from tests.unit.admin.world import URI, KeptFacts, World
from tests.unit.cli.printed import Printed
from tests.unit.machine.bench import uid

Perdure = Callable[..., Printed]
A = invocation_id_to_str(uid(1))
B = invocation_id_to_str(uid(2))
ELSEWHERE = {
    # Their first words ask the ingress: test_calling.py.
    *("invoke", "send", "attach", "output"),
    *("replay", "dlq show"),  # test_replay.py, test_topics_commands.py
    *("serve", "dev", "config"),  # they read their flags themselves
    *("completion", "state edit"),  # a script; an editor
}
WORDS = f"""
deployments list
deployments register {URI} --force
deployments describe DEPLOYMENT
services list
services describe Greeter
services openapi Greeter
services patch Greeter --public true
invocations list
invocations describe {A}
invocations export {A}
invocations pause {A}
invocations resume {A}
invocations cancel {A}
invocations kill {A}
invocations restart-as-new {B}
invocations purge-journal {B}
invocations purge {B}
state list
state get Counter k
state patch Counter k {{"n":2}}
state clear Counter k --yes
kafka-clusters create shop --bootstrap b:9092
kafka-clusters update shop --option client.id=us
kafka-clusters list
kafka-clusters describe shop
kafka-clusters take-over shop 0aff
subscriptions create shop/orders Counter/add --name one
subscriptions list
subscriptions describe one
subscriptions update one --max-in-flight 3
subscriptions pause one
subscriptions resume one
subscriptions seek one orders/0=0
subscriptions replay one latest
subscriptions delete one
feeds enable events --force
feeds list
feeds disable events
dlq list
dlq redrive --all --yes
dlq drop --all --yes
kafka-clusters delete shop
sql SELECT
status
health
whoami
profiles set one --admin http://x:1
profiles list
profiles use one
profiles remove one
explain
explain PD0103
deployments delete DEPLOYMENT --force
"""


def every_command() -> set[str]:
    made = root()
    found = set[str]()
    for name in KNOWN:
        command = made.get_command(click.Context(made), name)
        verbs = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {verb}" for verb in verbs} or {name}
    return found


def test_every_command(
    server: World, perdure: Perdure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    server.brokers["b:9092"] = KeptFacts("kafka-b")
    server.brokers["b:9092"].make("orders", 1)
    bench = server.bench
    for identity in (uid(1), uid(2)):
        bench.invoke(identity)
    bench.finish(uid(2))
    bench.do(PatchState("Counter", "k", False, None, ((b"n", b"1"),), bench.now_ms))
    (deployment,) = perdure("deployments", "list", "--json").json

    def rows(sql: str) -> list[dict[str, Any]]:
        if "FROM state WHERE" in sql:
            return [{"key": "n", "value": b"1".hex()}]
        return [{"id": A, "status": "running"}] if "sys_invocation WHERE id" in sql else []

    server.query.rows = rows
    lines = [line.split(" ") for line in WORDS.strip().splitlines()]
    for line in lines:
        words = [deployment["id"] if word == "DEPLOYMENT" else word for word in line]
        done = perdure(*words, "--json")
        assert done.code == 0, (line, done)
        assert done.json is not None, line
    done_all = {" ".join(line[:2]) for line in lines} | {line[0] for line in lines}
    assert every_command() - done_all == ELSEWHERE
