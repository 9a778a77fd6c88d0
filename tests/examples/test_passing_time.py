"""What the examples do as time passes and records come, on the engine in memory."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

import perdure
from perdure.testing import Env
from tests.examples.pages import imported
from tests.parts.cache import REPOSITORY


def _example(name: str) -> ModuleType:
    return imported(REPOSITORY / "examples" / f"{name}.py")


@pytest.mark.parametrize("always_replay", [False, True])
def test_a_cart_expires_a_quarter_of_an_hour_after_its_last_change(always_replay: bool) -> None:
    cart = _example("cart")
    with Env(cart.app, always_replay=always_replay) as env:

        def add(sku: str) -> int:
            return env.client.call(cart.Cart.add, cart.Item(sku, 1, 100), key="ann")

        assert add("pen") == 1
        env.skip(timedelta(minutes=10))
        assert add("ink") == 2
        env.skip(timedelta(minutes=10))  # the first timer has fired meanwhile
        env.crash()
        assert set(env.client.call(cart.Cart.content, key="ann")) == {"pen", "ink"}
        env.skip(timedelta(minutes=5, seconds=1))
        assert env.client.call(cart.Cart.content, key="ann") == {}
        with pytest.raises(perdure.Terminal, match="the cart is empty"):
            env.client.call(cart.Cart.checkout, key="ann")


@pytest.mark.parametrize("always_replay", [False, True])
def test_who_does_not_decide_is_reminded_three_times(always_replay: bool) -> None:
    approval = _example("approval")
    notes: list[str] = []

    async def note(who: str, text: str) -> None:
        notes.append(f"{who}: {text}")

    with Env(approval.app, always_replay=always_replay) as env:
        env.patch(approval.notify, note)
        workflow: Any = env.client.workflow(approval.expense, "e1")
        handle = workflow.submit(approval.Expense("ann", 900))
        env.skip(timedelta(days=2, hours=1))
        env.crash()
        assert notes == [
            "manager: ann asks for 900",
            "manager: reminder 1: ann still waits",
            "manager: reminder 2: ann still waits",
        ]
        env.skip(timedelta(days=2))
        assert handle.result() == "expired"
        assert notes[3:] == ["manager: reminder 3: ann still waits", "ann: nobody has decided"]


def test_orders_go_from_a_topic_to_topics() -> None:
    orders = _example("orders")

    async def main() -> None:
        async with Env(orders.app) as env:
            await env.client.call(orders.Stock.refill, 5, key="pen")
            await env.subscribe("orders", orders.take)
            for number in range(3):
                order = orders.Order(f"o{number}", "pen", 2)
                await env.topic("orders").produce(order, key=order.id)
            shipped = [json.loads(one.value) for one in await env.topic("shipments").consume()]
            assert [(one["order"], one["left"]) for one in shipped] == [("o0", 3), ("o1", 1)]
            (refused,) = await env.topic("backorders").consume()
            assert (refused.key, refused.headers["reason"]) == (b"o2", b"pen: 1 left")

    asyncio.run(main())


def test_a_sign_up_without_a_click_ends_after_a_week() -> None:
    signup = _example("signup")
    with Env(signup.app) as env:
        handle = env.client.workflow(signup.signup, "ann").submit({"name": "Ann", "email": "a@b.c"})
        env.skip(timedelta(days=7, minutes=1))
        with pytest.raises(perdure.Terminal) as failed:
            handle.result()
        assert failed.value.code == 408
        assert env.state(signup.signup, "ann") == {"onboarding_status": "Verifying user"}
