"""The names of `restate.connection`: tunnels to Restate's own cloud, which this SDK has not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

__all__ = ["ConnectError", "connect", "with_connection"]


class ConnectError(Exception):
    """There is no connection."""


def _refuse() -> NoReturn:
    raise ConnectError(
        "connect() reaches Restate Cloud alone: serve the app where the server reaches it, by"
        " python -m perdure app.py, any ASGI server or AWS Lambda, and register its address"
    )


async def connect(app: Any, *, name: str | None = None, key: str | None = None) -> None:
    """Raises ConnectError: see the module."""
    _refuse()


@asynccontextmanager
async def with_connection(
    app: Any, *, name: str | None = None, key: str | None = None
) -> AsyncIterator[Any]:
    """Raises ConnectError: see the module."""
    _refuse()
    yield
