"""The base of all records."""

import msgspec


class Record(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=True
):
    """One record."""
