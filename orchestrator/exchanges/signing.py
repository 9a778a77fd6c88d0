"""Requests signed so that a service knows its server: a short-lived ed25519 JWT, scheme v1."""

import base64
import json
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from orchestrator.model.operating import OperatingError
from orchestrator.runtime.secret_files import warn_of_open_file

LIFE_S: Final = 60
# A signature costs as much as the rest of an attempt, so each is used for a while.
_REUSE_S: Final = 10
_REUSED_MAX: Final = 4096
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class BadKey(OperatingError):
    """A key file that holds no ed25519 private key; the message says why."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "PD0401",
            f"Requests to services cannot be signed: {found}.",
            "Give a PKCS#8 PEM file with an ed25519 key: openssl genpkey -algorithm ed25519.",
        )


def _base58(raw: bytes) -> str:
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return _BASE58[0] * zeros + text


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Signer:
    """Makes the signature headers of requests."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._key = key
        self.key_id = f"publickeyv1_{_base58(public)}"
        self._header = _base64url(_json({"typ": "JWT", "alg": "EdDSA", "kid": self.key_id}))
        self._reused: dict[tuple[str, str], list[tuple[bytes, bytes]]] = {}
        self._reused_from_s = 0

    def headers(self, path: str, key: str, now_s: int) -> list[tuple[bytes, bytes]]:
        """Headers for a request to `path` (without the deployment's prefix); `key` "" for none."""
        if not 0 <= now_s - self._reused_from_s < _REUSE_S or len(self._reused) >= _REUSED_MAX:
            self._reused.clear()
            self._reused_from_s = now_s
        found = self._reused.get((path, key))
        if found is None:
            token = self._token(path, key, now_s)
            found = [(b"x-restate-signature-scheme", b"v1"), (b"x-restate-jwt-v1", token)]
            self._reused[path, key] = found
        return found

    def _token(self, path: str, key: str, now_s: int) -> bytes:
        claims: dict[str, object] = {
            "aud": path,
            "nbf": now_s - LIFE_S,
            "iat": now_s,
            "exp": now_s + LIFE_S,
        }
        if key:
            claims["sub"] = key
        signed = self._header + b"." + _base64url(_json(claims))
        return signed + b"." + _base64url(self._key.sign(signed))


def load_signer(path: Path) -> Signer:
    """Read a PKCS#8 PEM file with one ed25519 private key; raises BadKey. Warns if others may
    read it too."""
    warn_of_open_file(path, "the request identity key")
    try:
        return parse_signer(path.read_bytes())
    except OSError as error:
        raise BadKey(f"cannot read the request identity key {path}: {error}") from None


def parse_signer(pem: bytes) -> Signer:
    """Read a PKCS#8 PEM with one ed25519 private key; raises BadKey."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise BadKey(f"the request identity key is not a PKCS#8 PEM: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey("the request identity key is not an ed25519 key")
    return Signer(key)
