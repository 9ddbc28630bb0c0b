"""The only module that touches ciphers: sealed fields and blind indexes.

A seal hides a value in a column and says, when opened, whether anybody changed it. A blind index finds the
value again without showing it. Keys come from settings:

- FIELD_KEYS: {key id: 32 bytes as hex or base64}; FIELD_KEY_CURRENT names the one that seals, any opens;
- INDEX_KEY: 32 bytes as hex or base64. It has no id and never changes: every index in the database depends on it.

Each purpose ("id-number") has keys of its own (HKDF), so that a blob of one column neither opens nor matches
in another.

A suite of other ciphers (SM4 and SM3, GB/T 39786) is one more entry of `_SUITES` under a first byte of its own;
what was sealed before stays readable, because the first byte says how.
"""

import base64
import binascii
import hmac
import os
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE = 12


class SealBroken(Exception):
    """The blob was changed, belongs to another purpose, or its key is not in FIELD_KEYS."""


def seal(plain: str, purpose: str) -> bytes:
    """Return `plain` sealed for `purpose`: suite byte, length and key id, nonce, ciphertext with its tag.

    Two seals of the same text differ; use `blind_index` to compare.
    """
    key_id = _current_key_id()
    header = _SUITE_NOW + bytes([len(key_id)]) + key_id.encode("ascii")
    encrypt, _ = _SUITES[_SUITE_NOW]
    return header + encrypt(_field_key(key_id, purpose), plain.encode(), header + purpose.encode())


def open_sealed(blob: bytes | memoryview, purpose: str) -> str:
    """Return the text that `seal` was given. Raise SealBroken when that cannot be vouched for."""
    blob = bytes(blob)
    if len(blob) < 2 or blob[:1] not in _SUITES:
        raise SealBroken("not a sealed value")
    _, decrypt = _SUITES[blob[:1]]
    header = blob[: 2 + blob[1]]
    try:
        key = _field_key(header[2:].decode("ascii"), purpose)
        return decrypt(key, blob[len(header) :], header + purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce, key id not ASCII
        raise SealBroken("the sealed value does not open") from error


def sealed_with(blob: bytes | memoryview) -> str:
    """Return the id of the key that a blob needs: what a rotation has to look at."""
    blob = bytes(blob)
    if len(blob) < 2 or blob[:1] not in _SUITES:
        raise SealBroken("not a sealed value")
    return blob[2 : 2 + blob[1]].decode("ascii", "replace")


def blind_index(value: str, purpose: str) -> str:
    """Return 64 hex digits: the same for the same value, of no use without INDEX_KEY (HMAC-SHA256)."""
    key = _derive(_read_key("INDEX_KEY", settings.INDEX_KEY), f"index/{purpose}")
    return hmac.new(key, value.encode(), sha256).hexdigest()


def _aes_gcm_encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _aes_gcm_decrypt(key: bytes, body: bytes, context: bytes) -> bytes:
    return AESGCM(key).decrypt(body[:NONCE], body[NONCE:], context)


_SUITES = {b"\x01": (_aes_gcm_encrypt, _aes_gcm_decrypt)}
_SUITE_NOW = b"\x01"


def _current_key_id() -> str:
    key_id = getattr(settings, "FIELD_KEY_CURRENT", None) or next(iter(settings.FIELD_KEYS), None)
    if not key_id or key_id not in settings.FIELD_KEYS:
        raise ImproperlyConfigured("FIELD_KEY_CURRENT names no key of FIELD_KEYS")
    if not key_id.isascii() or len(key_id) > 32:
        raise ImproperlyConfigured("a key id has at most 32 ASCII characters")
    return key_id


def _field_key(key_id: str, purpose: str) -> bytes:
    if key_id not in settings.FIELD_KEYS:
        raise SealBroken(f"key {key_id!r} is not in FIELD_KEYS")
    return _derive(_read_key(f"FIELD_KEYS[{key_id!r}]", settings.FIELD_KEYS[key_id]), f"seal/{purpose}")


def _read_key(setting: str, text: str) -> bytes:
    """Return the 32 bytes of a key. Its text never enters a message."""
    for decode in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True), base64.urlsafe_b64decode):
        try:
            key = decode(text)
        except (ValueError, TypeError, binascii.Error):
            continue
        if len(key) == 32:
            return key
    raise ImproperlyConfigured(f"{setting} is not 32 bytes as hex or base64")


@lru_cache(maxsize=64)
def _derive(key: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(key)
