"""Terminal errors as they travel, and back."""

from perdure.errors import Terminal
from perdure.misuse import writable
from perdure.wire.values import WireFailure


def terminal(failure: WireFailure) -> Terminal:
    """The exception of a failure that came over the wire."""
    return Terminal(failure.message, failure.code, dict(failure.metadata))


def wire_failure(error: Terminal) -> WireFailure:
    """A Terminal as it travels."""
    pairs = ((writable(name), writable(value)) for name, value in error.metadata.items())
    return WireFailure(error.code, writable(error.message), tuple(pairs))
