"""Sign-up: write to a database, send a mail, wait up to a week for a click.

perdure dev examples/signup.py
curl localhost:8080/signup/ann/run/send --json '{"name": "Ann", "email": "ann@example.com"}'
curl localhost:8080/signup/ann/getStatus
curl localhost:8080/signup/ann/click --json '"<the secret of the mail>"'
"""

from dataclasses import dataclass
from datetime import timedelta

import perdure


@dataclass
class User:
    name: str
    email: str


signup = perdure.Workflow("signup")


@signup.run
async def run(ctx: perdure.WorkflowContext, user: User) -> bool:
    """Runs once for each key: a second submit of the same key finds the first one."""
    await ctx.step(create_user_entry, user)
    ctx.set("onboarding_status", "Created user")

    secret = str(ctx.uuid())  # the same in every attempt
    await ctx.step(send_email_with_link, user.email, secret, retry=perdure.Retry(max_attempts=5))
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


async def create_user_entry(user: User) -> None:
    print(f"database: {user.name} <{user.email}>")


async def send_email_with_link(email: str, secret: str) -> None:
    print(f"to {email}: click here with {secret}")


app = perdure.app(signup)
