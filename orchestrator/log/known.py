"""Which log this node has written to before, and the error when it is gone."""

import hashlib

from orchestrator.model.refusal import LogRefused


def log_id(identity: bytes) -> str:
    """The short name of a log for people, in messages and in --new-log."""
    return hashlib.blake2b(identity, digest_size=4).hexdigest()


class LogGone(LogRefused):
    """The log that this node's data belong to is not there, or another one is in its place."""

    def __init__(self, known: bytes, found: str) -> None:
        name = log_id(known)
        super().__init__(
            "PD0109",
            f"The log of this node is gone: {found}. Its state is not served from another log.",
            "Bring it back, or give it up with all that was in it and begin anew: start with"
            f" --new-log {name}.",
        )


def verify_known(known: bytes | None, identity: bytes) -> None:
    """Raise `LogGone` if this is not the log that is known; with None any log will do."""
    if known is not None and known != identity:
        raise LogGone(known, f"the one that is there is {log_id(identity)}, not {log_id(known)}")


def known_unless_given_up(known: bytes | None, given_up: str | None) -> bytes | None:
    """`given_up` is the name of a lost log, so that the setting, left in place, does not also give
    up the log that comes after it."""
    if known is not None and given_up == log_id(known):
        return None
    return known
