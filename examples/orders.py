"""From a topic to a topic: each order is handled once, each shipment is sent once.

perdure dev --kafka examples/orders.py
for topic in orders shipments backorders; do kcat -L -b localhost:9092 -t $topic; done  # makes them
perdure subscriptions create orders orders/take --from earliest
curl localhost:8080/Stock/pen/refill --json 5
echo '{"id": "o1", "sku": "pen", "count": 2}' | kcat -P -b localhost:9092 -t orders -k o1
kcat -C -b localhost:9092 -t shipments -X isolation.level=read_committed
"""

from dataclasses import dataclass

import perdure


@dataclass
class Order:
    id: str
    sku: str
    count: int


@dataclass
class Shipment:
    order: str
    sku: str
    count: int
    left: int


class Stock(perdure.Object):
    """The stock of an article; its key is the article."""

    count: int = perdure.state(default=0)

    @perdure.handler
    async def refill(self, count: int) -> int:
        self.count += count
        return self.count

    @perdure.handler
    async def take(self, count: int) -> int:
        if count > self.count:
            raise perdure.Terminal(f"{self.ctx.key}: {self.count} left", 409)
        self.count -= count
        return self.count


orders = perdure.Service("orders")


@orders.handler
async def take(ctx: perdure.Context, order: Order) -> None:
    """Handles one record of the topic `orders`, in the order of its key."""
    try:
        left = await ctx.call(Stock.take, order.count, key=order.sku)
    except perdure.Terminal as refused:
        ctx.kafka.send("backorders", order, key=order.id, headers={"reason": str(refused)})
        return
    shipment = Shipment(order.id, order.sku, order.count, left)
    ctx.kafka.send("shipments", shipment, key=order.id)


app = perdure.app(orders, Stock)
