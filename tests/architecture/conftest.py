"""Rules share what they have read of the sources, 100 MB of it, and no longer than they run."""

import gc
from collections.abc import Iterator

import pytest

from tests.architecture.sources import nodes_of, tree_of


@pytest.fixture(scope="package", autouse=True)
def _trees() -> Iterator[None]:
    gc.disable()  # it would walk all trees with each that is added, which takes as long again
    yield
    nodes_of.cache_clear()
    tree_of.cache_clear()
    gc.enable()
