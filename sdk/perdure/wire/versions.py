"""Versions of the service protocol and the media types that name them."""

from typing import Final

V5: Final = 5
V6: Final = 6
V7: Final = 7
VERSION_MIN: Final = V5
VERSION_MAX: Final = V7

_PREFIX: Final = "application/vnd.restate.invocation.v"
_MEDIA_TYPES: Final = {v: f"{_PREFIX}{v}" for v in range(VERSION_MIN, VERSION_MAX + 1)}


def media_type(version: int) -> str:
    """Return the content type of an invocation stream, `application/vnd.restate.invocation.vN`."""
    return _MEDIA_TYPES.get(version) or f"{_PREFIX}{version}"


def parse_media_type(text: str) -> int | None:
    """Return the version a content type names, supported or not; None if it names none."""
    digits = text.removeprefix(_PREFIX)
    if digits == text or not (digits.isascii() and digits.isdecimal()) or len(digits) > 4:
        return None
    return int(digits)


def is_supported(version: int) -> bool:
    """Say whether this codec speaks a version."""
    return VERSION_MIN <= version <= VERSION_MAX


def pick(min_version: int, max_version: int, *, own_max: int = VERSION_MAX) -> int | None:
    """Return the highest version shared with a peer that speaks `min_version..max_version`."""
    best = min(max_version, own_max)
    return best if best >= max(min_version, VERSION_MIN) else None
