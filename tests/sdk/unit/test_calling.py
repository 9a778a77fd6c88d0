"""Calls, sends and records as the server is asked for them."""

import json
from typing import Any

import perdure
from perdure import wire
from tests.sdk.unit.test_runtime import run

order = perdure.Workflow("order")
shop = perdure.Object("Shop")


@order.run
async def start(ctx: perdure.WorkflowContext, n: int) -> int:
    return n


@shop.handler
async def buy(ctx: perdure.ObjectContext, n: int) -> list[int]:
    return [n]


def test_invocations_are_found_by_the_keys_that_they_follow_from() -> None:
    async def work(ctx: Any) -> list[Any]:
        return [
            await ctx.workflow(order, "w1").attach(),
            await ctx.workflow("order", "w1", returns=int).output(),
            await ctx.invocation_of(buy, idempotency_key="i", key="k").attach(),
            await ctx.invocation("inv_1", int).output(),
        ]

    def plain(ctx: Any) -> list[Any]:
        return [
            ctx.workflow(order, "w1").attach(),
            ctx.workflow("order", "w1", returns=int).output(),
            ctx.invocation_of(buy, idempotency_key="i", key="k").attach(),
            ctx.invocation("inv_1", int).output(),
        ]

    for code in (work, plain):
        made = run(code)
        assert made.output.value == b"[7,7,[7],7]"
        assert [command.target for command in made.commands()[1:-1]] == [
            wire.WorkflowTarget("order", "w1"),
            wire.WorkflowTarget("order", "w1"),
            wire.IdempotentRequestTarget("Shop", "buy", "i", "k"),
            "inv_1",
        ]


def test_records_are_calls_of_the_server_s_own_service() -> None:
    async def work(ctx: Any) -> int | None:
        ctx.kafka.send("orders", {"sku": "a", "count": 1}, key="k", headers={"h": "1", "n": None})
        ctx.kafka.send("orders", "text", partition=3)
        ctx.kafka.send("orders", b"\xff", cluster="shop")
        ctx.kafka.send("orders")
        ctx.kafka.send("orders", 5, type=float)
        return (await ctx.kafka.produce("orders", [1], key="k")).offset  # type: ignore[no-any-return]

    def plain(ctx: Any) -> int | None:
        ctx.kafka.send("orders", {"sku": "a", "count": 1}, key="k", headers={"h": "1", "n": None})
        ctx.kafka.send("orders", "text", partition=3)
        ctx.kafka.send("orders", b"\xff", cluster="shop")
        ctx.kafka.send("orders")
        ctx.kafka.send("orders", 5, type=float)
        return ctx.kafka.produce("orders", [1], key="k").offset  # type: ignore[no-any-return]

    for code in (work, plain):
        made = run(code, call=lambda m: b'{"topic":"orders","partition":0,"offset":12}')
        assert made.output.value == b"12"
        asked = made.commands()[1:-1]
        assert {(one.service_name, one.handler_name) for one in asked} == {("Kafka", "send")}
        assert [json.loads(one.parameter) for one in asked] == [
            {
                "topic": "orders",
                "key": "k",
                "headers": {"h": "1", "n": None},
                "value_text": '{"sku":"a","count":1}',
            },
            {"topic": "orders", "partition": 3, "value_text": "text"},
            {
                "topic": "orders",
                "cluster": "shop",
                "value_base64": "/w==",
            },
            {"topic": "orders"},
            {"topic": "orders", "value_text": "5"},
            {"topic": "orders", "key": "k", "value_text": "[1]"},
        ]


def test_what_cannot_be_encoded_is_a_terminal_failure_that_names_it() -> None:
    tries: list[int] = []

    class Strange:
        pass

    async def made_up(ctx: Any) -> Any:
        return {"list": [1, Strange()]}

    def step() -> Any:
        tries.append(1)
        return {"a": Strange()}

    async def in_a_step(ctx: Any) -> Any:
        return await ctx.step(step)

    failure = run(made_up).output.failure
    assert failure.code == 500
    assert failure.message.startswith("the result of Test/made_up cannot be encoded")
    assert "$.list[1]" in failure.message
    failure = run(in_a_step).output.failure
    assert failure.code == 500
    assert failure.message.startswith("the result of step 'step' cannot be encoded")
    assert "$.a" in failure.message
    assert len(tries) == 1
