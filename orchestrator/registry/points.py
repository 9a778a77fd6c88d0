"""Points of topics to start from, as people write them: `earliest`, `latest`, a time, offsets."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from orchestrator.registry.errors import BAD_POINT, RegistryError

_EARLIEST: Final = "earliest"
LATEST: Final = "latest"
OFFSET_MAX: Final = 2**63 - 1

_OFFSET: Final = re.compile(r"(?:([A-Za-z0-9._-]+)/)?(\d{1,9})=(\d{1,19})")
_MS: Final = re.compile(r"\d{12,15}")  # since 1970: years 1973 to 33658
_FORMS: Final = (
    "write earliest, latest, a time like 2026-11-26T18:00:00Z (or in ms since 1970),"
    " or offsets like 0=100,1=250 (orders/0=100,… with several topics)"
)


class Point(msgspec.Struct, frozen=True):
    """One point for all topics: `at_ms` is a time, `offsets` by topic ("" for any) and partition.

    Without either it is the end if `is_latest`, else the beginning.
    """

    is_latest: bool = False
    at_ms: int | None = None
    offsets: Mapping[str, Mapping[int, int]] = {}


def parse_point(text: str) -> Point:
    """Raises RegistryError for a text that is none."""
    word = text.strip()
    if word in (_EARLIEST, LATEST):
        return Point(is_latest=word == LATEST)
    if "=" in word:
        return Point(offsets=_offsets(word))
    return Point(at_ms=_time_ms(word))


def _time_ms(word: str) -> int:
    if _MS.fullmatch(word):
        return int(word)
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise bad_point(f"{word[:200]!r} is no point to start from") from None
    if moment.tzinfo is None:
        raise bad_point(f"{word!r} has no time zone: end it with Z, or an offset like +01:00")
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    if since.days < 0:
        raise bad_point(f"{word!r} is before 1970")
    return int(since.total_seconds() * 1000)


def _offsets(word: str) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for one in word.split(","):
        match = _OFFSET.fullmatch(one.strip())
        if match is None:
            raise bad_point(f"{one[:200]!r} is no offset of a partition")
        topic, partition, offset = match[1] or "", int(match[2]), int(match[3])
        if partition in found.setdefault(topic, {}):
            raise bad_point(f"{word[:200]!r} names partition {partition} twice")
        if offset > OFFSET_MAX:
            raise bad_point(f"the offset {offset} is too large")
        found[topic][partition] = offset
    return found


def bad_point(what: str) -> RegistryError:
    return RegistryError(BAD_POINT, f"{what}: {_FORMS}")
