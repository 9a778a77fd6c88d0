"""Request signatures: the published vector, claims, and what a real SDK makes of them."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from orchestrator.exchanges.signing import BadKey, load_signer, parse_signer

PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO
-----END PRIVATE KEY-----
"""
KEY_ID = "publickeyv1_AfQwmwfgEZhrWpvv8N52SHpRtZqGGaFr4AZN6qtYWSiY"


def _part(text: bytes) -> dict[str, object]:
    decoded = json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    assert isinstance(decoded, dict)
    return decoded


def test_the_key_id_of_the_published_key() -> None:
    assert parse_signer(PEM).key_id == KEY_ID


def test_a_token_says_what_services_check() -> None:
    scheme, token = parse_signer(PEM).headers("/invoke/Greeter/greet", "", 1_000_000)
    assert scheme == (b"x-restate-signature-scheme", b"v1")
    assert token[0] == b"x-restate-jwt-v1"
    header, claims, _ = token[1].split(b".")
    assert _part(header) == {"typ": "JWT", "alg": "EdDSA", "kid": KEY_ID}
    assert _part(claims) == {
        "aud": "/invoke/Greeter/greet",
        "nbf": 1_000_000 - 60,
        "iat": 1_000_000,
        "exp": 1_000_000 + 60,
    }


def test_the_signature_is_that_of_the_key() -> None:
    token = parse_signer(PEM).headers("/discover", "", 5)[1][1]
    signed, _, signature = token.rpartition(b".")
    public = load_pem_private_key(PEM, None).public_key()
    raw = base64.urlsafe_b64decode(signature + b"==")
    public.verify(raw, signed)  # type: ignore[call-arg,union-attr]
    with pytest.raises(InvalidSignature):
        public.verify(raw, signed + b"x")  # type: ignore[call-arg,union-attr]


def test_a_key_is_the_subject() -> None:
    token = parse_signer(PEM).headers("/invoke/Counter/add", "my-key", 5)[1][1]
    assert _part(token.split(b".")[1])["sub"] == "my-key"


def test_a_token_is_used_again_but_not_for_long() -> None:
    signer = parse_signer(PEM)
    first = signer.headers("/invoke/S/h", "", 1000)
    assert signer.headers("/invoke/S/h", "", 1009) is first
    assert signer.headers("/invoke/S/h", "k", 1009) is not first
    assert signer.headers("/invoke/S/h", "", 1010) is not first
    assert signer.headers("/invoke/S/h", "", 900) is not first  # the clock went back


def test_key_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="cannot read"):
        load_signer(tmp_path / "missing.pem")
    with pytest.raises(BadKey, match="not a PKCS#8 PEM"):
        parse_signer(b"nonsense")
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadKey, match="not an ed25519 key"):
        parse_signer(pem)
    good = tmp_path / "key.pem"
    good.write_bytes(PEM)
    assert load_signer(good).key_id == KEY_ID


@pytest.mark.parametrize(
    ("mode", "warns"),
    [(0o600, False), (0o400, False), (0o440, False), (0o604, True), (0o666, True)],
)
def test_a_key_that_others_may_read_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(PEM)
    file.chmod(mode)
    load_signer(file)
    assert (f"mode {mode:04o}" in caplog.text) == warns
