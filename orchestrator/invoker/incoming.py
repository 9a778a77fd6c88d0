"""The bytes of a response, cut into messages. Pure."""

from perdure import wire


class Incoming:
    """Of one attempt whose messages come in pieces, or several at a time."""

    __slots__ = ("_payload_bytes_max", "_reader", "in_message")

    def __init__(self, payload_bytes_max: int) -> None:
        self._payload_bytes_max = payload_bytes_max
        self._reader: wire.FrameReader | None = None  # once a message comes in pieces
        self.in_message = False  # part of a message has come

    def cut(self, data: bytes) -> tuple[list[tuple[int, int, bytes]], wire.FrameTooLarge | None]:
        """The messages that are complete now, as (code, flags, frame), and what is wrong behind
        them: they still count."""
        if not self.in_message:
            frames = wire.whole_frames(data, self._payload_bytes_max)
            if frames is not None:
                return frames, None
        reader = self._reader
        if reader is None:
            reader = self._reader = wire.FrameReader(self._payload_bytes_max)
        too_large = None
        try:
            frames = reader.feed(data)
        except wire.FrameTooLarge as error:
            frames, too_large = error.frames, error
        self.in_message = reader.pending
        return frames, too_large
