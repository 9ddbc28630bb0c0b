"""Ed25519 signatures of the platform: of a certificate's canonical text and of a whole PDF.

Settings: SIGNING_KEY, the private seed (32 bytes as hex; config/keys.py makes it), and VERIFYING_KEYS, the public keys
of earlier ones in PEM: what those signed stays valid. A key's id is the beginning of its fingerprint, so that a
signature of another platform names a key that is unknown here.

The two things signed cannot be taken for each other: one begins with content.VERSION, the other with %PDF.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Signature:
    """64 bytes, and which key made them (16 hex digits)."""

    key_id: str
    value: bytes


def sign(data: bytes) -> Signature:
    """Sign with the current key. Raise ImproperlyConfigured when the installation has none."""
    private = _private()
    return Signature(_id(private.public_key()), private.sign(data))


def verify(data: bytes, signature: Signature, public_keys: Mapping[str, str]) -> bool:
    """Whether one of `public_keys` ({key id: PEM}) made this signature of exactly these bytes."""
    pem = public_keys.get(signature.key_id)
    if pem is None:
        return False
    try:
        _public(pem).verify(bytes(signature.value), data)
    except InvalidSignature:
        return False
    return True


def public_keys() -> dict[str, str]:
    """{key id: PEM} of every key whose signatures are valid, the current one first."""
    seed = getattr(settings, "SIGNING_KEY", None)
    current = [public_half(seed)] if seed else []
    return dict(read_public_key(pem) for pem in [*current, *getattr(settings, "VERIFYING_KEYS", [])])


def read_public_key(pem: str) -> tuple[str, str]:
    """(key id, PEM) of an Ed25519 public key in PEM. Raise ValueError when it is not one."""
    public = _public(pem)
    return _id(public), _pem(public)


def public_half(seed: str) -> str:
    """The public key, in PEM, of a private one as SIGNING_KEY holds it."""
    return _pem(_read_private(seed).public_key())


def _id(public: Ed25519PublicKey) -> str:
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _pem(public: Ed25519PublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


@lru_cache(maxsize=64)
def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError("not an Ed25519 public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return key


def _private() -> Ed25519PrivateKey:
    return _read_private(getattr(settings, "SIGNING_KEY", None))


@lru_cache(maxsize=8)
def _read_private(seed: str | None) -> Ed25519PrivateKey:
    """Its text never enters a message."""
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed or ""))
    except ValueError:
        raise ImproperlyConfigured(
            '没有可用的证书签名密钥。密钥文件只读时，请在其中加入 "signing_key"（64 位十六进制，可由 openssl rand -hex 32 生成）。'
        ) from None
