"""What `restate-sdk` has as a preview, by the names of `restate._preview`."""

from typing import Any, TypeVar

from perdure.compat.defining import Definition, recover_explicitly

T = TypeVar("T")


def explicit_recovery(target: T) -> T:
    """Have handlers begin anew in each attempt, instead of replaying what earlier ones have done.

    `target` is a service, object or workflow, or a handler: then it stands above the decorator
    that made it one. Such a handler sees the state as it is, its steps run again, and its calls and
    sends are new ones, unless they have an idempotency key that stays the same, such as one made of
    `ctx.request().id`. Signals that have come are still there; awakeables do not work. What it
    waits for has to come within one attempt: a server that has it suspended begins it anew.
    """
    whole: Any = target
    if isinstance(whole, Definition):
        whole.explicit_recovery = True
    else:
        recover_explicitly(whole)
    return target
