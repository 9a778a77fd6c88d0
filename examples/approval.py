"""Human approval: ask, remind every day, give up after three reminders.

perdure dev examples/approval.py
curl localhost:8080/expense/e17/run/send --json '{"who": "ann", "amount": 900}'
curl localhost:8080/expense/e17/decide --json '{"by": "eve", "approved": true}'
curl localhost:8080/restate/workflow/expense/e17/output
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import perdure

REMIND_AFTER = timedelta(days=1)
REMINDERS = 3

Outcome = Literal["paid", "refused", "expired"]


@dataclass
class Expense:
    who: str
    amount: int


@dataclass
class Decision:
    by: str
    approved: bool


expense = perdure.Workflow("expense")


@expense.run
async def run(
    ctx: perdure.WorkflowContext, asked: Expense
) -> Literal["paid", "refused", "expired"]:
    if asked.amount > 100:
        decision = await wait_for_decision(ctx, asked)
        if decision is None:
            return "expired"
        if not decision.approved:
            await ctx.step(notify, asked.who, f"{decision.by} refused")
            return "refused"
    await ctx.step(pay_out, ctx.key, asked)
    return "paid"


async def wait_for_decision(ctx: perdure.WorkflowContext, asked: Expense) -> Decision | None:
    """Nothing runs while it waits: the timer and the promise are in the log."""
    await ctx.step(notify, "manager", f"{asked.who} asks for {asked.amount}")
    for number in range(1, REMINDERS + 2):
        try:
            return await ctx.promise("decision", Decision).timeout(REMIND_AFTER)
        except perdure.DurableTimeout:
            if number <= REMINDERS:
                await ctx.step(notify, "manager", f"reminder {number}: {asked.who} still waits")
    await ctx.step(notify, asked.who, "nobody has decided")
    return None


@expense.handler
async def decide(ctx: perdure.WorkflowSharedContext, decision: Decision) -> None:
    """The first decision counts: for a second one the caller gets a 409."""
    await ctx.promise("decision", Decision).resolve(decision)


async def notify(who: str, text: str) -> None:
    print(f"to {who}: {text}")


async def pay_out(expense_id: str, asked: Expense) -> None:
    print(f"{expense_id}: {asked.amount} to {asked.who}")


app = perdure.app(expense)
