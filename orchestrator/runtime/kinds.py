"""Kinds of settings: their texts to values and back. ValueError says what would be right."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from orchestrator.model.durations import format_duration, parse_duration_ms

_SIZE: Final = re.compile(r"([0-9]+)\s*([kmg]?)(i?b)?", re.IGNORECASE)
_SIZE_FACTORS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_BROKER_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,249}")
_SECRET: Final = re.compile(r"password|secret|\.pem$|\.key$|oauthbearer\.config|sasl\.jaas")
HIDDEN: Final = "***"


class SettingKind(NamedTuple):
    """`shape` tells people what to write; `show` gives a text that `parse` takes."""

    shape: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    is_secret: bool = False  # never print what was given


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _address(text: str) -> Address:
    """`host:port`, `[v6]:port` or `:port` for every interface."""
    if "://" in text:
        raise ValueError("expected HOST:PORT, without http:// before it")
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected HOST:PORT with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets: [::1]:8080")
    return Address(host or "0.0.0.0", int(port))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text in (".", ".."):
        raise ValueError("expected 1 to 100 letters, digits, dots, underscores or dashes")
    return text


def _broker_topic(text: str) -> str:
    if text != "none" and not _BROKER_TOPIC.fullmatch(text):
        raise ValueError("write CLUSTER/TOPIC, like log/orders, or none")
    return text


def _existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("expected a file that exists")
    return path


def _brokers(text: str) -> str:
    for part in text.split(","):
        if _address(part.strip()).port == 0:
            raise ValueError("expected HOST:PORT, several separated by commas")
    return text


def _http_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#]*", text):
        raise ValueError("expected a URL like http://host:8080")
    return text.rstrip("/")


def _pairs(text: str) -> dict[str, str]:
    """`k=v,k=v`. A comma within a value: start the next part without an equals sign."""
    found: dict[str, str] = {}
    key = ""
    for part in text.split(","):
        left, equals, right = part.partition("=")
        if equals:
            key = left.strip()
            if not key:
                raise ValueError("expected k=v, several separated by commas")
            found[key] = right.strip()
        elif key:
            found[key] += "," + part
        elif part.strip():
            raise ValueError("expected k=v, several separated by commas")
    return found


def _shown_pairs(pairs: dict[str, str]) -> str:
    """Without the values that are secrets."""
    shown = ((key, HIDDEN if _SECRET.search(key) else value) for key, value in pairs.items())
    return ",".join(f"{key}={value}" for key, value in shown)


def _names(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _places(text: str) -> frozenset[tuple[int, int]]:
    found = set()
    for part in filter(None, map(str.strip, text.split(","))):
        partition, between, offset = part.partition("/")
        if not (between and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{part!r} is not PARTITION/OFFSET, as in 3/1200")
        found.add((int(partition), int(offset)))
    return frozenset(found)


def _shown_places(places: frozenset[tuple[int, int]]) -> str:
    return ",".join(f"{partition}/{offset}" for partition, offset in sorted(places))


def _shown_boolean(value: bool) -> str:
    return "true" if value else "false"


def _shown_size(size: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


ADDRESS: Final = SettingKind("HOST:PORT", _address)
BOOLEAN: Final = SettingKind("true or false", _boolean, _shown_boolean)
NAME: Final = SettingKind("a name", _name)
BROKER_TOPIC: Final = SettingKind("CLUSTER/TOPIC or none", _broker_topic)
PATH: Final = SettingKind("a path", Path)
FILE: Final = SettingKind("a file", _existing_file)
URL: Final = SettingKind("a URL", _http_url)
BROKERS: Final = SettingKind("HOST:PORT,...", _brokers)
NAMES: Final = SettingKind(
    "names separated by commas", _names, lambda names: ",".join(sorted(names))
)
PLACES: Final = SettingKind("PARTITION/OFFSET,...", _places, _shown_places)
PAIRS: Final = SettingKind("k=v,...", _pairs, _shown_pairs, is_secret=True)


def duration_ms(least_ms: int = 0) -> SettingKind:
    """A duration, in ms."""

    def parse(text: str) -> int:
        found = parse_duration_ms(text)
        if found < least_ms:
            raise ValueError(f"must be longer than nothing: at least {format_duration(least_ms)}")
        return found

    return SettingKind("a duration", parse, format_duration)


def duration_s(least_s: float = 0.001) -> SettingKind:
    """A duration, in seconds."""
    kind = duration_ms(int(least_s * 1000))
    return SettingKind(
        kind.shape,
        lambda text: kind.parse(text) / 1000,
        lambda value: format_duration(round(value * 1000)),
    )


def whole_number(least: int, most: int) -> SettingKind:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(text)

    return SettingKind(f"{least} to {most}", parse)


def size(least: int, most: int) -> SettingKind:
    """`33554432`, `32MiB`, `32m`: in bytes, always powers of 1024."""

    def parse(text: str) -> int:
        found = _SIZE.fullmatch(text.strip())
        count = int(found[1]) * _SIZE_FACTORS[found[2].lower()] if found else -1
        if not least <= count <= most:
            raise ValueError(f"expected a size like 32MiB, from {least} to {most} bytes")
        return count

    return SettingKind(f"a size, {_shown_size(least)} to {_shown_size(most)}", parse, _shown_size)


def choice(*choices: str) -> SettingKind:
    said = f"{', '.join(choices[:-1])} or {choices[-1]}"

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"expected {said}")
        return text.lower()

    return SettingKind(said, parse)


def _attempts(text: str) -> int | None:
    if text.lower() == "unlimited":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError("expected a whole number from 1 on, or unlimited")
    return int(text)


ATTEMPTS: Final = SettingKind(
    "a number or unlimited", _attempts, lambda count: "unlimited" if count is None else str(count)
)
