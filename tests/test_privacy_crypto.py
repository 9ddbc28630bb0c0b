"""Suites of ciphers (accounts/crypto.py): the standards' own vectors, and that each reads what the other wrote."""

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from django.core.exceptions import ImproperlyConfigured

from accounts import crypto


def sm3(text: bytes) -> str:
    one = Hash(SM3())
    one.update(text)
    return one.finalize().hex()


def test_sm3_is_that_of_the_standard():
    """GB/T 32905-2016, A.1 and A.2."""
    assert sm3(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abcd" * 16) == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_sm4_is_that_of_the_standard():
    """GB/T 32907-2016, A.1: one block, and a million times over."""
    text = key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    block = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
    assert block.update(text).hex() == "681edf34d206965e86b3e94f536e4246"
    million = text
    for _ in range(1_000_000):
        million = block.update(million)
    assert million.hex() == "595298c7c6fd271f0402f804c33d3f66"


def test_sm4_gcm_is_that_of_rfc_8998():
    """RFC 8998, A.1."""
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    nonce = bytes.fromhex("00001234567800000000abcd")
    text = bytes.fromhex("".join(byte * 8 for byte in ("aa", "bb", "cc", "dd", "ee", "ff", "ee", "aa")))
    cipher = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    out = cipher.update(text) + cipher.finalize()
    assert out.hex().startswith("17f399f08c67d5ee19d0dc9969c4bb7d")
    assert cipher.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"


def test_hmac_sm3_is_that_of_the_definition():
    """RFC 2104 over SM3, whose block has 64 bytes, reckoned step by step."""
    key = b"k" * 32
    padded = key.ljust(64, b"\0")
    inner = sm3(bytes(one ^ 0x36 for one in padded) + b"abc")
    outer = sm3(bytes(one ^ 0x5C for one in padded) + bytes.fromhex(inner))
    one = HMAC(key, SM3())
    one.update(b"abc")
    assert one.finalize().hex() == outer


@pytest.mark.parametrize("suite", ["intl", "gm"])
def test_a_seal_says_how_it_was_made_and_opens_under_any_setting(settings, suite):
    settings.CRYPTO_SUITE = suite
    blob = crypto.seal("测试", "p")
    assert blob[:1] == crypto.SUITES[suite].mark
    settings.CRYPTO_SUITE = "gm" if suite == "intl" else "intl"
    assert crypto.open_sealed(blob, "p") == "测试"
    assert not crypto.is_up_to_date(blob)


def test_every_changed_byte_of_a_gm_seal_shows(settings):
    settings.CRYPTO_SUITE = "gm"
    blob = crypto.seal("370902190001011234", "p")
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(crypto.SealBroken):
            crypto.open_sealed(bytes(changed), "p")
    for length in range(len(blob)):
        with pytest.raises(crypto.SealBroken):
            crypto.open_sealed(blob[:length], "p")
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(blob, "q")
    # The same body under the other suite's mark.
    with pytest.raises(crypto.SealBroken):
        crypto.open_sealed(b"\x01" + blob[1:], "p")


def test_an_index_of_gm_differs_and_stays_the_same(settings):
    plain = crypto.blind_index("x", "p")
    settings.INDEX_SUITE = "gm"
    assert crypto.blind_index("x", "p") == crypto.blind_index("x", "p") != plain
    assert len(crypto.blind_index("x", "p")) == crypto.WIDTH


def test_a_layer_covers_the_index_before_it(settings):
    """Whoever has the index of before and the new key gets to the same index as from the value: nobody else does."""
    before = crypto.blind_index("x", "p")
    settings.INDEX_LAYERS = [
        {"id": "2", "suite": "gm", "key": secrets.token_hex(32)},
        {"id": "3", "suite": "intl", "key": secrets.token_hex(32)},
    ]
    assert crypto.blind_index("x", "p") == before
    assert crypto.blind_indexes("x", "p")[0] == before
    newest = crypto.newest_index(before, "p")
    settings.INDEX_CURRENT = "3"
    assert crypto.blind_index("x", "p") == newest
    assert newest.startswith("3:")
    assert len(newest) == crypto.WIDTH
    second = crypto.blind_indexes("x", "p")[1]
    assert second.startswith("2:")
    assert crypto.newest_index(second, "p") == newest
    assert crypto.base_index("x", "p") == before
    settings.INDEX_LAYERS = [
        settings.INDEX_LAYERS[0],
        {**settings.INDEX_LAYERS[1], "key": secrets.token_hex(32)},
    ]
    assert crypto.newest_index(before, "p") != newest


def test_an_unknown_suite_is_refused(settings):
    settings.CRYPTO_SUITE = "rot13"
    with pytest.raises(ImproperlyConfigured):
        crypto.seal("x", "p")
