"""The service of the demo: an ordinary workflow on the Restate SDK for Python.

Each step leaves a line in a file once its work is done: that is the side effect that must happen
once. A step that takes long can be killed before its work is done; it is tried again.
"""

import asyncio
import os
from pathlib import Path

import restate
from restate import Workflow, WorkflowContext, WorkflowSharedContext

STEPS = Path(os.environ.get("DEMO_STEPS", "steps.log"))
EFFECTS = Path(os.environ.get("DEMO_EFFECTS", "effects.log"))
SLOW_S = 2.0

signup = Workflow("Signup")


def _note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


async def create_account(email: str) -> str:
    _note(STEPS, "create account")
    _note(EFFECTS, f"account for {email}")
    return f"user-{abs(hash(email)) % 1000:03}"


async def send_mail(email: str) -> None:
    _note(STEPS, "send mail")
    await asyncio.sleep(SLOW_S)  # a slow mail server
    _note(EFFECTS, f"mail to {email}")


async def activate(user: str) -> None:
    _note(STEPS, "activate")
    _note(EFFECTS, f"activation of {user}")


@signup.main()
async def run(ctx: WorkflowContext, email: str) -> str:
    user = await ctx.run_typed("create account", create_account, email=email)
    await ctx.run_typed("send mail", send_mail, email=email)
    _note(STEPS, "wait for the click")
    link = await ctx.promise("clicked", type_hint=str)
    await ctx.run_typed("activate", activate, user=user)
    return f"{user} has signed up with {email} through {link}"


@signup.handler()
async def click(ctx: WorkflowSharedContext, link: str) -> None:
    await ctx.promise("clicked", type_hint=str).resolve(link)


app = restate.app([signup])
