"""Which web pages may call: the answers to browsers, and a refusal of pages of other origins.

A browser sends some requests of a page anywhere and only keeps the answer from it. So where not
all origins may call, a request that names another one is refused before anything is done.
"""

import re
from typing import Final

from orchestrator.ingress.headers import RawHeaders
from orchestrator.ingress.refusals import HttpRefused
from orchestrator.runtime.kinds import SettingKind

ANY: Final = ("*",)
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#,*]+", re.IGNORECASE)
_ALL: Final = b"access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n"
_ONE: Final = b"access-control-allow-origin: %b\r\naccess-control-expose-headers: *\r\n"
_VARY: Final = b"vary: origin\r\n"
_PREFLIGHT: Final = b"access-control-allow-methods: *\r\naccess-control-max-age: 86400\r\n"


def _parse(text: str) -> tuple[str, ...]:
    if text.strip().lower() == "none":
        return ()
    origins = tuple(part.strip().rstrip("/").lower() for part in text.split(",") if part.strip())
    if origins == ANY or (origins and all(map(_ORIGIN.fullmatch, origins))):
        return origins
    raise ValueError("expected *, none, or origins like https://app.example, with commas between")


def _show(origins: tuple[str, ...]) -> str:
    return ",".join(origins) if origins else "none"


ORIGINS: Final = SettingKind("*, none or https://app.example,...", _parse, _show)


class Cors:
    """The rules of one server. `lines` are header lines of every answer."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self.is_open = origins == ANY
        self.lines = _ALL if self.is_open else _VARY
        self._origins = frozenset(origin.encode() for origin in origins)

    def allowed(self, headers: RawHeaders) -> bytes:
        """Further header lines of the answer to this request; raises HttpRefused for a page that
        may not call. Only called where not all origins may."""
        found = dict(headers)
        origin = found.get(b"origin")
        if origin is None:
            return b""
        lower = origin.lower()
        if lower in self._origins:
            return _ONE % origin
        if lower.partition(b"://")[2] == found.get(b"host", b"-").lower():
            return b""  # a page of the same origin
        shown = origin[:200].decode("latin-1")
        raise HttpRefused(403, f"pages of {shown!r} may not call this server (--ingress-cors)")


def preflight_lines(headers: RawHeaders) -> bytes:
    """Any method and header is allowed; headers by name where they are asked for: `*` leaves out
    Authorization."""
    asked = dict(headers).get(b"access-control-request-headers", b"*")
    return _PREFLIGHT + b"access-control-allow-headers: " + asked + b"\r\n"
