"""Syncs of a file that go on beside their caller: a port, so that tests may fail and delay them."""

from typing import Protocol

from orchestrator.log.files import File


class Syncs(Protocol):
    """One sync at a time, of what was written to a file so far."""

    @property
    def fd(self) -> int:
        """Readable once the sync that was begun is over, until `end`."""
        ...

    def begin(self, file: File) -> bool:
        """False: it was not begun, and none ever will be."""
        ...

    def end(self) -> None:
        """The sync is over: the bytes are durable, or an `OSError` says that they may not be."""
        ...

    def wait(self) -> None:
        """Block until the sync that was begun is over; takes nothing from `end`."""
        ...

    def close(self) -> None:
        """Nothing may be under way."""
        ...
