"""Answers of `apply` to the proposer of an operation."""

import enum
from typing import Final


class Answer(enum.IntEnum):
    """One answer; faces turn it into their status code."""

    DONE = 0  # took effect at once
    ACCEPTED = 1  # under way
    DUPLICATE = 2  # an Invoke whose id was known
    NOT_FOUND = 3
    ALREADY_COMPLETED = 4
    NOT_COMPLETED = 5  # purge of a live one
    NOT_RUNNING = 6  # pause of one that has not started
    NOT_STARTED = 7  # resume of one that has not started
    ALREADY_PAUSED = 8
    DROPPED = 9  # version did not match, stale epoch, stale attempt
    CANNOT_CHANGE_DEPLOYMENT = 10  # resume elsewhere while it runs
    STATE_TOO_LARGE = 11  # to be compared with a version
    TOO_MANY_SIGNALS = 12  # wait for the invocation


DONE: Final = Answer.DONE
"""For the way of every record: a member looked up by its class costs half a microsecond."""
