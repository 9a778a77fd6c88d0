"""How long what a service sent may wait before it is proposed."""

from typing import Final

NOTHING: Final = 0
LATER: Final = 1  # the journal alone will know: it rides along with what comes next
SOON: Final = 2  # others will see it: state, sends, signals
NOW: Final = 3  # the service itself waits, or the attempt is over
