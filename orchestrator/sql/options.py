"""What one query may cost."""

from typing import Annotated, Final

import msgspec

from orchestrator.runtime.kinds import duration_s, size
from orchestrator.runtime.settings import Setting

MEMORY_BYTES_MIN: Final = 192 << 20  # the libraries alone take 110 MB
MEMORY_BYTES_MAX: Final = 64 << 30


class SqlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the SQL room."""

    timeout_s: Annotated[
        float,
        Setting(
            "longest time of a query, until its answer was taken",
            duration_s(),
            name="query_timeout",
        ),
    ] = 60.0
    memory_bytes_max: Annotated[
        int,
        Setting(
            "largest memory of the process of a query",
            size(MEMORY_BYTES_MIN, MEMORY_BYTES_MAX),
            name="query_memory_max",
        ),
    ] = 512 << 20
