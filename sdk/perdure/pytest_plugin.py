"""The fixture `perdure_env` of pytest, by the entry point `pytest11`. Loads nothing before it is
used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perdure.testing import Env


@pytest.fixture
def perdure_env() -> Callable[..., Env]:
    """Makes an Env: `async with perdure_env(app) as env:`, or `with` in a plain test. The
    arguments are those of `perdure.testing.Env`."""

    def make(app: Any, **options: Any) -> Env:
        from perdure.testing import Env

        return Env(app, **options)

    return make
