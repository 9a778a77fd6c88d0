"""What extensions keep with a running handler, by the names of `restate.server_context`."""

from __future__ import annotations

import inspect
from typing import Any

from perdure.compat.context import Context

__all__ = ["clear_extension_data", "get_extension_data", "set_extension_data"]


def set_extension_data(ctx: Context, key: str, value: Any) -> None:
    """Keep a value until the attempt ends; then its `__close__` is called, if it has one."""
    _of(ctx)[key] = value


def get_extension_data(ctx: Context, key: str) -> Any:
    """The value that is kept, or None."""
    return _of(ctx).get(key)


def clear_extension_data(ctx: Context, key: str) -> None:
    """Forget a value."""
    _of(ctx).pop(key, None)


def _of(ctx: Context) -> dict[str, Any]:
    if not isinstance(ctx, Context):
        raise RuntimeError("the context is not that of a running handler")
    return ctx.extension_data


async def close_extension_data(ctx: Context) -> None:
    """Close what is kept; errors of one leave the others alone."""
    for value in (ctx._extension_data or {}).values():
        close = getattr(value, "__close__", None)
        if not callable(close):
            continue
        try:
            closing = close()
            if inspect.isawaitable(closing):
                await closing
        except Exception:  # noqa: BLE001 - the attempt has ended already
            pass
