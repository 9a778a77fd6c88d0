"""A shopping cart for each user, as a class with typed state; what is not bought expires.

perdure dev examples/cart.py
curl localhost:8080/Cart/ann/add --json '{"sku": "pen", "count": 2, "price": 150}'
curl localhost:8080/Cart/ann/checkout
"""

from datetime import timedelta

from msgspec import Struct

import perdure

EXPIRES_AFTER = timedelta(minutes=15)


class Item(Struct):
    sku: str
    count: int
    price: int  # of one, in cents


class Receipt(Struct):
    payment: str
    total: int  # in cents


class Cart(perdure.Object):
    """Calls with the same key run one after the other, so no handler needs a lock."""

    items: dict[str, Item] = perdure.state(default_factory=dict)
    changes: int = perdure.state(default=0)

    @perdure.handler
    async def add(self, item: Item) -> int:
        """Put an item into the cart; returns how many pieces it holds."""
        self.items = {**self.items, item.sku: item}
        self.changes += 1
        # A durable timer: it fires once, also if everything is restarted meanwhile.
        self.ctx.send(Cart.expire, self.changes, key=self.ctx.key, delay=EXPIRES_AFTER)
        return sum(one.count for one in self.items.values())

    @perdure.handler
    async def expire(self, change: int) -> None:
        """Empty the cart, unless it has changed since this timer was set."""
        if change == self.changes:
            self.items = {}

    @perdure.handler
    async def checkout(self) -> Receipt:
        if not self.items:
            raise perdure.Terminal("the cart is empty", 409)
        total = sum(one.count * one.price for one in self.items.values())
        payment = await self.ctx.step(charge, self.ctx.key, total)
        self.items = {}
        self.changes += 1  # a timer that is under way finds another cart
        return Receipt(payment, total)

    @perdure.shared
    async def content(self) -> dict[str, Item]:
        return self.items


async def charge(user: str, total: int) -> str:
    print(f"charged {user} {total / 100:.2f}")
    return f"payment-{user}-{total}"


app = perdure.app(Cart)
