"""Texts of flags and variables to values; ValueError says what would have been right."""

import re
from pathlib import Path
from typing import NamedTuple

from orchestrator.registry.durations import parse_duration_ms

_SIZE = re.compile(r"([0-9]+)\s*([kmg]?)(i?b)?", re.IGNORECASE)
_SIZE_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address(text: str) -> Address:
    """`host:port`, `[v6]:port` or `:port` for every interface."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected HOST:PORT with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets: [::1]:8080")
    return Address(host or "0.0.0.0", int(port))


def duration_ms(text: str) -> int:
    return parse_duration_ms(text)


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


def integer(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return int(text)


def attempts(text: str) -> int | None:
    """How many attempts there are; None is for ever."""
    if text.lower() == "unlimited":
        return None
    try:
        return integer(text, 1, 1_000_000_000)
    except ValueError:
        raise ValueError("expected a whole number from 1 on, or unlimited") from None


def size_bytes(text: str, least: int, most: int) -> int:
    """`33554432`, `32MiB`, `32m`: always powers of 1024."""
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * _SIZE_FACTORS[found[2].lower()] if found else -1
    if not least <= size <= most:
        raise ValueError(f"expected a size like 32MiB, from {least} to {most} bytes")
    return size


def choice(text: str, choices: tuple[str, ...]) -> str:
    if text.lower() not in choices:
        raise ValueError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
    return text.lower()


def name(text: str) -> str:
    """A name that becomes part of topics and client ids."""
    if not _NAME.fullmatch(text) or text in (".", ".."):
        raise ValueError("expected 1 to 100 letters, digits, dots, underscores or dashes")
    return text


def pairs(text: str) -> dict[str, str]:
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


def existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("expected a file that exists")
    return path


def bootstrap(text: str) -> str:
    """Brokers of a Kafka cluster."""
    for part in text.split(","):
        if address(part.strip()).port == 0:
            raise ValueError("expected HOST:PORT, several separated by commas")
    return text


def http_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
        raise ValueError("expected a URL like http://host:8080")
    return text.rstrip("/")
