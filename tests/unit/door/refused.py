"""What the door says of a call of one of its functions."""

from collections.abc import Callable
from typing import Any

from orchestrator.door.refusals import RefusalCode, Refused


def code_of(function: Callable[..., Any], *args: Any) -> RefusalCode:
    """The code of the refusal, which has a message too."""
    try:
        function(*args)
    except Refused as refused:
        assert refused.refusal.message
        assert str(refused) == refused.refusal.message
        return refused.refusal.code
    raise AssertionError("it was not refused")
