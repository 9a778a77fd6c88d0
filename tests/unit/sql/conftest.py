"""Stories of a module share a child process."""

from collections.abc import Iterator

import pytest

from tests.unit.sql.world import KEPT


@pytest.fixture(scope="module", autouse=True)
def kept() -> Iterator[None]:
    yield
    KEPT.close()
