"""Sockets that listen, and the error for an address that cannot be had."""

import os
import socket

from orchestrator.model.limits import LISTEN_BACKLOG_COUNT
from orchestrator.model.operating import OperatingError
from orchestrator.runtime.kinds import Address


class CannotListen(OperatingError):
    """An address is taken, or is none of this machine's."""


def listen(address: Address, flag: str) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        where = tuple(address)
        listening = socket.create_server(where, family=family, backlog=LISTEN_BACKLOG_COUNT)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListen(
            "PD0209",
            f"Nothing can listen on {address}: {reason}.",
            f"Give another address with --{flag}.",
        ) from error
    listening.setblocking(False)
    return listening
