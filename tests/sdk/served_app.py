"""Services that the end-to-end tests of the SDK serve: the README's sign-up among them."""

import asyncio
from datetime import timedelta

from msgspec import Struct

import perdure

_mails: dict[str, str] = {}  # what was "sent": the test reads it through `Mails`
_calls: dict[str, int] = {}

greeter = perdure.Service("Greeter")
counter = perdure.Object("Counter")
signup = perdure.Workflow("signup")
mails = perdure.Service("Mails")


class User(Struct):
    name: str
    email: str


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


@greeter.handler
async def steps(ctx: perdure.Context, count: int) -> list[int]:
    """Steps, sleeps and calls, one after the other and at once."""
    done = []
    for n in range(count):
        done.append(await ctx.step(counted, ctx.id, n))
        await ctx.sleep(timedelta(milliseconds=1))
    added = await ctx.gather(*[ctx.call(add, 1, key=f"{ctx.id}-{n}") for n in range(count)])
    return [*done, *added]


@greeter.handler
def blocking(ctx: perdure.SyncContext, count: int) -> list[int]:
    done = [ctx.step(counted_plainly, ctx.id, n) for n in range(count)]
    ctx.sleep(timedelta(milliseconds=1))
    return [*done, ctx.call(add, 5, key=ctx.id)]


@greeter.handler
async def odd(ctx: perdure.Context) -> object:
    return object()


@greeter.handler
async def fails(ctx: perdure.Context) -> None:
    raise perdure.Terminal("no luck", 418)


async def counted(invocation_id: str, n: int) -> int:
    await asyncio.sleep(0)
    return counted_plainly(invocation_id, n)


def counted_plainly(invocation_id: str, n: int) -> int:
    """How often this step of this invocation was executed."""
    name = f"{invocation_id}/{n}"
    _calls[name] = _calls.get(name, 0) + 1
    return _calls[name]


@counter.handler
async def add(ctx: perdure.ObjectContext, amount: int) -> int:
    total: int = await ctx.get("total", int, 0) + amount
    ctx.set("total", total)
    return total


@counter.shared
async def total(ctx: perdure.ObjectSharedContext) -> int:
    return await ctx.get("total", int, 0)


async def create_user_entry(user: User) -> None:
    assert user.name


async def send_email_with_link(email: str, secret: str) -> None:
    _mails[email] = secret


@signup.run
async def run(ctx: perdure.WorkflowContext, user: User) -> bool:
    await ctx.step(create_user_entry, user)
    ctx.set("onboarding_status", "Created user")
    secret = str(ctx.uuid())
    retry = perdure.Retry(max_attempts=5)
    await ctx.step(send_email_with_link, user.email, secret, retry=retry)
    ctx.set("onboarding_status", "Verifying user")
    clicked = await ctx.promise("email.clicked", str).timeout(timedelta(days=7))
    ctx.set("onboarding_status", "Link clicked")
    return clicked == secret


@signup.handler
async def click(ctx: perdure.WorkflowSharedContext, secret: str) -> None:
    await ctx.promise("email.clicked", str).resolve(secret)


@signup.handler(name="getStatus")
async def get_status(ctx: perdure.WorkflowSharedContext) -> str | None:
    return await ctx.get("onboarding_status", str)


@mails.handler
async def secret_of(ctx: perdure.Context, email: str) -> str | None:
    return _mails.get(email)


class Cart(perdure.Object):
    items: dict[str, int] = perdure.state(default_factory=dict)

    @perdure.handler
    async def put(self, sku: str) -> int:
        self.items = {**self.items, sku: self.items.get(sku, 0) + 1}
        await self.ctx.send(Cart.expire, key=self.ctx.key, delay=timedelta(days=1))
        return sum(self.items.values())

    @perdure.handler
    def expire(self) -> int:
        count = sum(self.items.values())
        self.items = {}
        return count


app = perdure.app(greeter, counter, signup, mails, Cart)
