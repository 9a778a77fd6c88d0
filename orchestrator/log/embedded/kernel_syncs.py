"""Syncs by a worker of the Linux kernel, which writes to an eventfd when it is done.

The system calls io_setup, io_submit and io_getevents (Linux AIO; man 2 io_submit) have no other
way into Python than ctypes. `IOCB_CMD_FDSYNC` is known since Linux 4.18. Where the calls are
unknown, forbidden or used up, there are no kernel syncs.
"""

import ctypes
import errno
import os
import platform
import select
import sys
from typing import Final, NamedTuple

from orchestrator.log.files import DiskFile, File

_FDSYNC: Final = 3
_RINGS_EVENTFD: Final = 1


class _Numbers(NamedTuple):
    """Of the system calls, on one kind of processor."""

    setup: int
    destroy: int
    submit: int
    events: int


_NUMBERS: Final = {
    "x86_64": _Numbers(setup=206, destroy=207, submit=209, events=208),
    "aarch64": _Numbers(setup=0, destroy=1, submit=2, events=4),
}


class _Request(ctypes.Structure):
    """`struct iocb` of a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("fd", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("size_bytes", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("eventfd", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """`struct io_event`."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("result2", ctypes.c_int64),
    )


class KernelSyncs:
    """`Syncs` of files of the operating system; see `open_kernel_syncs`."""

    def __init__(self, numbers: _Numbers) -> None:
        """Raises `OSError`."""
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._destroy = ctypes.c_long(numbers.destroy)
        self._submit = ctypes.c_long(numbers.submit)
        self._events = ctypes.c_long(numbers.events)
        context = ctypes.c_ulong(0)
        one = self._one = ctypes.c_long(1)
        if self._call(ctypes.c_long(numbers.setup), one, ctypes.byref(context)) != 0:
            raise OSError(ctypes.get_errno(), "no context for asynchronous syncs")
        self._context = context
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._request = _Request(opcode=_FDSYNC, flags=_RINGS_EVENTFD, eventfd=self.fd)
        self._requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._event = _Event()
        self._event_at = ctypes.byref(self._event)

    def begin(self, file: File) -> bool:
        assert isinstance(file, DiskFile)
        self._request.fd = file.fileno()
        begun: int = self._call(self._submit, self._context, self._one, self._requests)
        return begun == 1

    def end(self) -> None:
        os.read(self.fd, 8)
        one = self._one
        if self._call(self._events, self._context, one, one, self._event_at, None) != 1:
            raise OSError(ctypes.get_errno() or errno.EIO, "the end of a sync was not told")
        if self._event.result < 0:
            code = -self._event.result
            raise OSError(code, os.strerror(code))

    def wait(self) -> None:
        select.select([self.fd], [], [])

    def close(self) -> None:
        self._call(self._destroy, self._context)
        os.close(self.fd)


def open_kernel_syncs() -> KernelSyncs | None:
    """None where the system has none, or none left, for this process."""
    numbers = _NUMBERS.get(platform.machine())
    if sys.platform != "linux" or sys.byteorder != "little" or numbers is None:
        return None
    if sys.maxsize < 1 << 32:
        return None
    try:
        return KernelSyncs(numbers)
    except OSError:
        return None
