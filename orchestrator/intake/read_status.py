"""The status of a subscription or a source, and its reason, as people see them."""

from typing import Final

import msgspec

ACTIVE: Final = "active"
PAUSED: Final = "paused"  # by an operator
UNDECIDED: Final = "undecided"  # where to start: no broker has answered yet
RETRYING: Final = "retrying"  # brokers are out of reach, or refuse: it goes on by itself
STOPPED: Final = "stopped"  # nothing is read before something is done about the reason
GONE: Final = "gone"  # its topic was made anew: nothing will ever be read of it


class ReadStatus(msgspec.Struct, frozen=True):
    """`reason` is "" where there is nothing to say."""

    status: str
    reason: str = ""
