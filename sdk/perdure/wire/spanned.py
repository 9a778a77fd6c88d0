"""Messages that also say where bytes of them lie, for readers that cut them out."""

import msgspec

SPAN = "_span"  # how the names of such fields end


def told_fields(message: msgspec.Struct) -> list[str]:
    """The fields of a message that are part of what it says."""
    return [name for name in message.__struct_fields__ if not name.endswith(SPAN)]


class Spanned(msgspec.Struct, eq=False):
    """Equal to what says the same, wherever it was read."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in told_fields(self))

    __hash__ = None  # type: ignore[assignment]
