"""Where a service listens: the parts of a deployment's URI that connections and requests need."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from orchestrator.exchanges.apps import SCHEME

FUNCTION: Final = "arn:"
"""How the address of a function of AWS Lambda begins."""


class BadUri(ValueError):
    """A URI that no service can be reached at; the message says why."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Parts of `http[s]://host[:port][/prefix]`; `prefix` has no slash at its end.

    Of `inproc://name`, an app of this process, only `host` means anything; of a function of AWS
    Lambda `function`, its ARN, `role`, the ARN of a role to call it as, or "", and `takes_zstd`,
    whether it reads compressed requests.
    """

    tls: bool
    host: str
    port: int
    authority: bytes
    prefix: str
    in_process: bool = False
    function: str = ""
    role: str = ""
    takes_zstd: bool = False


def parse_origin(uri: str, role: str = "", compression: str = "") -> Origin:
    """Take a deployment's URI or ARN apart; raises BadUri."""
    if uri.startswith(FUNCTION):
        takes_zstd = compression == "zstd"
        return Origin(True, "", 0, b"lambda", "", function=uri, role=role, takes_zstd=takes_zstd)
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise BadUri(f"{uri!r} is not a URI: {error}") from None
    if parts.scheme == SCHEME:
        name = parts.netloc
        return Origin(False, name, 0, name.encode(), "", in_process=True)
    if parts.scheme not in ("http", "https"):
        raise BadUri(f"{uri!r} begins with neither http:// nor https://")
    if not parts.hostname:
        raise BadUri(f"{uri!r} names no host")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise BadUri(f"{uri!r} has more than scheme, host, port and path")
    tls = parts.scheme == "https"
    return Origin(
        tls=tls,
        host=parts.hostname,
        port=port or (443 if tls else 80),
        authority=parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii"),
        prefix=parts.path.rstrip("/"),
    )
