"""How tests close uvloop's event loops."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closing_loop() -> Iterator[None]:
    """Close a loop within: what was left open fails the test afterwards.

    uvloop warns of it while it closes the handles. Where warnings are errors that keeps a handle
    from being closed, and the loop waits for it for ever, deaf to the time limit of the test.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    assert not found, [str(one.message) for one in found]
