"""Proof that a request comes from a server that holds the private key: a token signed with Ed25519.

Needs the extra `identity`, because signatures are checked by a library for that.
"""

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from perdure.misuse import misuse

SCHEME_HEADER: Final = "x-restate-signature-scheme"
TOKEN_HEADER: Final = "x-restate-jwt-v1"
_PREFIX: Final = "publickeyv1_"
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_KEY_BYTES: Final = 32
_ACCEPTED_MAX: Final = 1024  # tokens that were good, until they expire


class BadIdentity(Exception):
    """A request that is not signed as it has to be; the text is for the log, not for the peer."""


class Identity:
    """Checks requests against public keys, such as `publickeyv1_AfQwm…`."""

    def __init__(self, keys: Iterable[str], now_s: Callable[[], float] = time.time) -> None:
        self._keys = {key: _load(key) for key in keys}
        self._now_s = now_s
        self._accepted: dict[tuple[str, str], float] = {}

    def check(self, headers: Mapping[str, str], path: str) -> None:
        """Raise BadIdentity unless the request is signed, for this path, and now.

        `path` is what follows the prefix of the deployment: `/discover` or `/invoke/x/y`.
        """
        if headers.get(SCHEME_HEADER) != "v1":
            raise BadIdentity(f"{SCHEME_HEADER} is {headers.get(SCHEME_HEADER)!r}, not 'v1'")
        token = headers.get(TOKEN_HEADER, "")
        now_s = self._now_s()
        # A server makes one token for all requests of a second to one handler.
        if now_s < self._accepted.get((token, path), 0):
            return
        expires_s = self._verify(token, path, now_s)
        if len(self._accepted) >= _ACCEPTED_MAX:
            self._accepted.clear()
        self._accepted[token, path] = expires_s

    def _verify(self, token: str, path: str, now_s: float) -> float:
        try:
            signed, _, signature = token.rpartition(".")
            head_text, _, claims_text = signed.partition(".")
            head, claims = _json(head_text), _json(claims_text)
            verify = self._keys.get(head.get("kid", ""))
            if head.get("alg") != "EdDSA" or verify is None:
                raise BadIdentity(f"signed by an unknown key {head.get('kid')!r}")
            verify(_unpadded(signature), signed.encode())
            audience, expires_s = claims["aud"], float(claims["exp"])
            if float(claims["nbf"]) > now_s or float(claims["iat"]) > now_s + 60:
                raise BadIdentity("the token is not valid yet")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadIdentity(f"the token cannot be read: {error!r}") from None
        if expires_s <= now_s:
            raise BadIdentity("the token has expired")
        if path not in (audience if isinstance(audience, list) else [audience]):
            raise BadIdentity(f"the token is for {audience!r}, not {path!r}")
        return expires_s


def _load(key: str) -> Callable[[bytes, bytes], None]:
    """Return what checks a signature by a public key; raises Misuse for what is no key."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise misuse("identity_keys needs the extra: pip install 'perdure[identity]'") from None
    text = key.removeprefix(_PREFIX)
    raw = b"" if text == key else _base58(text)
    if len(raw) != _KEY_BYTES:
        raise misuse(f"{key!r} is no public key: they look like {_PREFIX}AfQwm…")
    public = Ed25519PublicKey.from_public_bytes(raw)

    def verify(signature: bytes, signed: bytes) -> None:
        try:
            public.verify(signature, signed)
        except InvalidSignature:
            raise BadIdentity("the signature is not of this key") from None

    return verify


def _base58(text: str) -> bytes:
    number = 0
    for letter in text:
        digit = _ALPHABET.find(letter)
        if digit < 0:
            return b""
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _json(text: str) -> dict[str, Any]:
    found = msgspec.json.decode(_unpadded(text))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
