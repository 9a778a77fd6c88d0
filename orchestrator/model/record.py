"""The base of all records."""

import msgspec


class Record(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=True
):
    """One record. `now_ms` (Unix ms) is the time that counts where it is applied: when it was
    proposed. Records whose effects depend on no time have none."""

    @property
    def now_ms(self) -> int:
        return 0
