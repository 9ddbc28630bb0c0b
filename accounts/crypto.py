"""The only module that touches ciphers: sealed fields and blind indexes.

A seal hides a value in a column and says, when opened, whether anybody changed it. A blind index finds the
value again without showing it. Keys come from settings (config/keys.py):

- FIELD_KEYS: {key id: 32 bytes as hex or base64}; FIELD_KEY_CURRENT names the one that seals, any opens;
- INDEX_KEY and INDEX_LAYERS: the first index is a MAC of the value; each layer ({"id", "suite", "key"}) is a MAC of the
  index before it. So an index whose value nobody has (a platform's record of somebody unknown) can be brought under a
  new key as well. INDEX_CURRENT names the layer that is written ("" for the first index).

Two suites: "intl" (AES-256-GCM, HMAC-SHA-256) and "gm" (SM4-GCM, HMAC-SM3; GB/T 32907, GB/T 32905). CRYPTO_SUITE says
which one seals; the first byte of a seal says which one opens it, so both stay readable.

Each purpose ("id-number") has keys of its own (HKDF), so that a blob of one column neither opens nor matches
in another.
"""

import base64
import binascii
import os
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE, TAG = 12, 16
WIDTH = 64  # of an index as text


class SealBroken(Exception):
    """The blob was changed, belongs to another purpose, or its key is not in FIELD_KEYS."""


# --- suites -------------------------------------------------------------------------------------------------


def _aes_encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _aes_decrypt(key: bytes, body: bytes, context: bytes) -> bytes:
    return AESGCM(key).decrypt(body[:NONCE], body[NONCE:], context)


def _sm4_encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    cipher = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(context)
    return nonce + cipher.update(plain) + cipher.finalize() + cipher.tag


def _sm4_decrypt(key: bytes, body: bytes, context: bytes) -> bytes:
    if len(body) < NONCE + TAG:
        raise InvalidTag
    nonce, text, tag = body[:NONCE], body[NONCE:-TAG], body[-TAG:]
    cipher = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
    cipher.authenticate_additional_data(context)
    return cipher.update(text) + cipher.finalize()


class Suite(NamedTuple):
    """`mark` is the first byte of its seals, `info` sets its keys apart, `length` is that of its cipher's key."""

    name: str
    mark: bytes
    info: str
    length: int
    digest: type[HashAlgorithm]
    encrypt: Callable[[bytes, bytes, bytes], bytes]
    decrypt: Callable[[bytes, bytes, bytes], bytes]


INTL = Suite("intl", b"\x01", "", 32, SHA256, _aes_encrypt, _aes_decrypt)
GM = Suite("gm", b"\x02", "gm/", 16, SM3, _sm4_encrypt, _sm4_decrypt)
SUITES = {suite.name: suite for suite in (INTL, GM)}
_BY_MARK = {suite.mark: suite for suite in SUITES.values()}


def suite_now() -> Suite:
    """The suite that seals."""
    return _suite(settings.CRYPTO_SUITE)


def _suite(name: str) -> Suite:
    if name not in SUITES:
        raise ImproperlyConfigured("CPE_CRYPTO_SUITE is intl or gm")
    return SUITES[name]


# --- seals --------------------------------------------------------------------------------------------------


def seal(plain: str, purpose: str) -> bytes:
    """Return `plain` sealed for `purpose`: suite byte, length and key id, nonce, ciphertext with its tag.

    Two seals of the same text differ; use `blind_index` to compare.
    """
    suite, key_id = suite_now(), _current_key_id()
    header = _header(suite, key_id)
    return header + suite.encrypt(
        _field_key(suite, key_id, purpose), plain.encode(), header + purpose.encode()
    )


def open_sealed(blob: bytes | memoryview, purpose: str) -> str:
    """Return the text that `seal` was given. Raise SealBroken when that cannot be vouched for."""
    blob = bytes(blob)
    header = _header_of(blob)
    suite = _BY_MARK[blob[:1]]
    try:
        key = _field_key(suite, header[2:].decode("ascii"), purpose)
        return suite.decrypt(key, blob[len(header) :], header + purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce, key id not ASCII
        raise SealBroken("the sealed value does not open") from error


def sealed_with(blob: bytes | memoryview) -> str:
    """Return the id of the key that a blob needs."""
    return _header_of(bytes(blob))[2:].decode("ascii", "replace")


def is_up_to_date(blob: bytes | memoryview) -> bool:
    """Whether `seal` would use the same key and the same suite today: what a rotation looks at."""
    return _header_of(bytes(blob)) == current_header()


def current_header() -> bytes:
    """What a seal made now begins with."""
    return _header(suite_now(), _current_key_id())


def _header(suite: Suite, key_id: str) -> bytes:
    return suite.mark + bytes([len(key_id)]) + key_id.encode("ascii")


def _header_of(blob: bytes) -> bytes:
    if len(blob) < 2 or blob[:1] not in _BY_MARK:
        raise SealBroken("not a sealed value")
    return blob[: 2 + blob[1]]


def _current_key_id() -> str:
    key_id = getattr(settings, "FIELD_KEY_CURRENT", None) or next(iter(settings.FIELD_KEYS), None)
    if not key_id or key_id not in settings.FIELD_KEYS:
        raise ImproperlyConfigured("FIELD_KEY_CURRENT names no key of FIELD_KEYS")
    if not key_id.isascii() or len(key_id) > 32:
        raise ImproperlyConfigured("a key id has at most 32 ASCII characters")
    return key_id


def _field_key(suite: Suite, key_id: str, purpose: str) -> bytes:
    if key_id not in settings.FIELD_KEYS:
        raise SealBroken(f"key {key_id!r} is not in FIELD_KEYS")
    key = _read_key(f"FIELD_KEYS[{key_id!r}]", settings.FIELD_KEYS[key_id])
    return _derive(suite.name, key, f"{suite.info}seal/{purpose}", suite.length)


# --- blind indexes --------------------------------------------------------------------------------------------


def blind_index(value: str, purpose: str) -> str:
    """Return 64 characters: the same for the same value, of no use without the keys. This is the one to write."""
    return current_index(base_index(value, purpose), purpose)


def current_index(base: str, purpose: str) -> str:
    """The index to write, for who has made the first one already."""
    layer = settings.INDEX_CURRENT
    return _to_layer(base, purpose, _place(layer)) if layer else base


def blind_indexes(value: str, purpose: str) -> list[str]:
    """Every index under which the value may stand while keys are rotated: these are the ones to look for.

    The one to write stands first; the others are of the layer before and of the one after it.
    """
    now, layers = _place(settings.INDEX_CURRENT), len(settings.INDEX_LAYERS)
    base = base_index(value, purpose)
    places = [now, *(one for one in (now - 1, now + 1) if 0 <= one <= layers)]
    return [_to_layer(base, purpose, one) for one in places]


def base_index(value: str, purpose: str) -> str:
    """The first index, which no rotation changes: for what must be told again for ever (a digest of an event)."""
    suite = _suite(settings.INDEX_SUITE)
    return _mac(suite, _read_key("INDEX_KEY", settings.INDEX_KEY), f"index/{purpose}", value)


def newest_index(index: str, purpose: str) -> str:
    """The index as it is under the newest layer: what a rotation writes. Raise SealBroken for one of no known layer."""
    return _to_layer(index, purpose, len(settings.INDEX_LAYERS))


def newest_layer_prefix() -> str:
    """What every index of the newest layer begins with, "" where there is only the first index."""
    return f"{settings.INDEX_LAYERS[-1]['id']}:" if settings.INDEX_LAYERS else ""


def index_layer(index: str) -> str:
    """The id of the layer that an index belongs to, "" for the first index."""
    return index.partition(":")[0] if ":" in index else ""


def _to_layer(index: str, purpose: str, place: int) -> str:
    for layer in settings.INDEX_LAYERS[_place(index_layer(index)) : place]:
        key = _read_key(f"INDEX_LAYERS[{layer['id']!r}]", layer["key"])
        mac = _mac(_suite(layer["suite"]), key, f"index/{purpose}", index)
        index = f"{layer['id']}:{mac}"[:WIDTH]
    return index


def _place(layer: str) -> int:
    """How many layers lie under an index of this one: 0 for the first index."""
    if not layer:
        return 0
    ids = [one["id"] for one in settings.INDEX_LAYERS]
    if layer not in ids:
        raise SealBroken(f"index key {layer!r} is not in INDEX_LAYERS")
    return ids.index(layer) + 1


def _mac(suite: Suite, key: bytes, info: str, value: str) -> str:
    mac = _keyed(suite.name, key, f"{suite.info}{info}").copy()  # setting a MAC up costs more than the MAC
    mac.update(value.encode())
    return mac.finalize().hex()


@lru_cache(maxsize=64)
def _keyed(suite: str, key: bytes, info: str) -> HMAC:
    return HMAC(_derive(suite, key, info, 32), _suite(suite).digest())


# --- keys -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=128)
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


@lru_cache(maxsize=128)
def _derive(suite: str, key: bytes, info: str, length: int) -> bytes:
    return HKDF(algorithm=_suite(suite).digest(), length=length, salt=None, info=info.encode()).derive(key)
