"""The service of the demo: an ordinary workflow.

Each step leaves a line in a file once its work is done: that is the side effect that must happen
once. A step that takes long can be killed before its work is done; it is tried again.
"""

import asyncio
import os
from pathlib import Path

import perdure

STEPS = Path(os.environ.get("DEMO_STEPS", "steps.log"))
EFFECTS = Path(os.environ.get("DEMO_EFFECTS", "effects.log"))
SLOW_S = 2.0

signup = perdure.Workflow("Signup")


def _note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


async def create_account(email: str) -> str:
    _note(STEPS, "create account")
    _note(EFFECTS, f"account for {email}")
    return "user-417"


async def send_mail(email: str) -> None:
    _note(STEPS, "send mail")
    await asyncio.sleep(SLOW_S)  # a slow mail server
    _note(EFFECTS, f"mail to {email}")


async def activate(user: str) -> None:
    _note(STEPS, "activate")
    _note(EFFECTS, f"activation of {user}")


@signup.run
async def run(ctx: perdure.WorkflowContext, email: str) -> str:
    user = await ctx.step(create_account, email)
    await ctx.step(send_mail, email)
    _note(STEPS, "wait for the click")
    link = await ctx.promise("clicked", str)
    await ctx.step(activate, user)
    return f"{user} has signed up with {email} through {link}"


@signup.handler
async def click(ctx: perdure.WorkflowSharedContext, link: str) -> None:
    await ctx.promise("clicked", str).resolve(link)


app = perdure.app(signup)
