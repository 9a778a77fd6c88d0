"""Rules share what they have read of the sources, 100 MB of it, and no longer than they run."""

from collections.abc import Iterator

import pytest

from tests.architecture.sources import nodes_of, tree_of


@pytest.fixture(scope="package", autouse=True)
def _trees() -> Iterator[None]:
    yield
    nodes_of.cache_clear()
    tree_of.cache_clear()
