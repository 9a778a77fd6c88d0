"""How long one journal may get: a handler that never ends must not fill the log.

The leader looks before it proposes a flush: apply looks nothing up. What is not applied yet is not
counted, so that a journal may end a few flushes later.
"""

import msgspec

from orchestrator.model.records import Ended, Journal
from orchestrator.model.rows import InvocationRow

CODE = "PD0307"


class JournalLimits(msgspec.Struct, frozen=True):
    """Entries (notifications too) and bytes of frames of one invocation's journal."""

    entries_max: int = 200_000
    bytes_max: int = 256 * 1024 * 1024

    def refusal(self, row: InvocationRow, record: Journal) -> str:
        """Why a flush that passes a limit is refused; "" if it is taken, as the last one."""
        if type(record.end) is Ended:
            return ""
        if row.entries + record.entries > self.entries_max:
            return f"its journal has more than {self.entries_max} entries (--journal-entries-max)"
        return f"its journal has more than {self.bytes_max} bytes (--journal-max)"
