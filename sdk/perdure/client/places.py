"""Where a client's requests go."""

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from perdure.misuse import misuse

_INGRESS_PORT = 8080
_ADMIN_PORT = 9070


@dataclass(frozen=True, slots=True)
class Place:
    """A server: host, port, and the prefix of its paths. `tls` is None for plain HTTP. `note` is
    for people, where it does not answer."""

    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None
    note: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.tls is not None else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        return f"{self.authority}{self.note}"

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{self.authority}{self.prefix}"


def read_url(url: str) -> Place:
    """Read an URL; raises Misuse for what is none."""
    parts = urlsplit(url if isinstance(url, str) else "")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise misuse(f"{url!r} is no URL of a server: http://host:port or https://host")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = port or (443 if tls is not None else 80)
    return Place(parts.hostname, port, parts.path.rstrip("/"), tls)


def admin_place(url: str, admin_url: str | None) -> Place:
    """Return where the admin API is: as given, or at its usual port beside an ingress at its."""
    if admin_url is not None:
        return read_url(admin_url)
    place = read_url(url)
    if place.port != _INGRESS_PORT:
        example = Place(place.host, _ADMIN_PORT, "", place.tls).url
        raise misuse(
            f"the admin API cancels, and {url} does not say where that is:"
            f" give admin_url= to the client, such as admin_url={example!r}"
        )
    note = ", where the admin API usually is (admin_url= names another place)"
    return Place(place.host, _ADMIN_PORT, "", place.tls, note)
