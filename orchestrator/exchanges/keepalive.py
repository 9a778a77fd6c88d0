"""Whether the peer of a connection still lives: what is quiet for long is pinged. Pure."""

from typing import Final

NOT_DUE: Final = 0
PING: Final = 1
DEAD: Final = 2

PING_AFTER_S: Final = 40.0
PING_TIMEOUT_S: Final = 20.0
LAST_PING_AFTER_S: Final = 5.0  # the same, of a peer that sent GOAWAY
LAST_PING_TIMEOUT_S: Final = 5.0


class KeepAlive:
    """Looked at once a second; the time of a read is noted then, not at each read."""

    __slots__ = ("_heard_s", "heard", "pinged")

    def __init__(self) -> None:
        self.heard = False  # since the last look
        self.pinged = False  # and not heard since
        self._heard_s = 0.0

    def quiet_s(self, now_s: float) -> float:
        """For how long nothing was heard; 0 if something was since the last look."""
        if self.heard or not self._heard_s:
            self.heard, self.pinged, self._heard_s = False, False, now_s
            return 0.0
        return now_s - self._heard_s

    def due(self, quiet_s: float, said_goodbye: bool) -> int:
        """What to do with a peer that was quiet for this time."""
        after_s, timeout_s = PING_AFTER_S, PING_TIMEOUT_S
        if said_goodbye:
            after_s, timeout_s = LAST_PING_AFTER_S, LAST_PING_TIMEOUT_S
        if self.pinged:
            return DEAD if quiet_s > after_s + timeout_s else NOT_DUE
        return PING if quiet_s > after_s else NOT_DUE
