"""What of its journal an attempt is still to be sent: the replay, and later what did not fit.

Flow control ends at the store. Of each stream only a window of bytes waits in memory. What the
service does not read yet is not kept for it: it is read again from the journal when there is room.
Pure.
"""

from typing import Final

from orchestrator.invoker.attempt import Attempt
from orchestrator.invoker.port import JOURNAL_BEGIN, JournalPlace
from perdure import wire
from perdure.wire import codes

_JOIN_BYTES_MAX: Final = 512 * 1024  # larger ones are not copied for the sake of few writes


def gathered(parts: list[bytes]) -> list[bytes]:
    """Many small pieces as one, few large ones as they are."""
    if len(parts) < 2 or sum(map(len, parts)) > _JOIN_BYTES_MAX:
        return parts
    return [b"".join(parts)]


class Feed:
    """Follows one attempt through its journal.

    While `is_replaying`, all entries up to `replay_end` are sent as they are stored. From then on
    notifications are handed over as they come. If there is no room for one it is left out and
    `is_behind` is set: then the journal is read from `place` on, and entries that the service has
    already are skipped.
    """

    __slots__ = ("_attempt", "_index", "_replay_end", "is_behind", "is_replaying", "place")

    def __init__(self, attempt: Attempt, entries: int, replay_end: JournalPlace) -> None:
        self._attempt = attempt
        self._replay_end = replay_end
        self._index = entries  # of the entry at `place`, once the replay is over
        self.place = JOURNAL_BEGIN
        self.is_replaying = replay_end != JOURNAL_BEGIN
        self.is_behind = False

    @property
    def read_to(self) -> JournalPlace | None:
        """Where the next read ends at the latest."""
        return self._replay_end if self.is_replaying else None

    @property
    def is_direct(self) -> bool:
        """Whether notifications are handed over as they come."""
        return not self.is_behind and not self.is_replaying

    def take(self, frames: list[bytes], place: JournalPlace) -> list[bytes]:
        """What to send of what was read from `place` on; the next place to read from is given."""
        self.place = place
        if self.is_replaying:
            self.is_replaying = place != self._replay_end
            self.is_behind = True  # others may have come meanwhile, which were not handed over
            return gathered(frames)
        if not frames:
            self.is_behind = False
            return []
        return gathered([data for stored in frames for data in self._notifications(stored)])

    def _notifications(self, stored: bytes) -> list[bytes]:
        told: list[bytes] = []
        for code, _, start, end in wire.split(stored):
            index = self._index
            self._index += 1
            if codes.is_notification(code):
                frame = stored[start:end]
                data = self._attempt.delivered.notify(index, frame, _run_id(code, frame))
                if data:
                    told.append(data)
        return told


def _run_id(code: int, stored: bytes) -> int:
    """The completion id if it is the result of a run: that one is known by its own number."""
    if code != codes.RUN_COMPLETION:
        return 0
    return wire.decode_notification(code, stored, wire.HEADER_BYTES).completion_id
