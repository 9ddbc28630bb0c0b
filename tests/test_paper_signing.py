"""Signatures: of a text, of a whole PDF; keys that come, change and stay valid."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from io import StringIO

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from config.keys import change_keys, load_keys
from credits.paper.sealing import MARK, State, examine, sealed
from credits.paper.signing import Signature, public_half, public_keys, read_public_key, sign, verify

KEY, EARLIER, FOREIGN = "11" * 32, "22" * 32, "33" * 32
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"


@pytest.fixture(autouse=True)
def keys(settings):
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []


def known(*seeds: str) -> dict[str, str]:
    return dict(read_public_key(public_half(seed)) for seed in seeds)


def test_signed_and_verified():
    signature = sign(b"text")
    assert verify(b"text", signature, public_keys())
    assert not verify(b"texT", signature, public_keys())
    assert not verify(b"text", Signature(signature.key_id, b"\0" * 64), public_keys())
    assert not verify(b"text", Signature(signature.key_id, b""), public_keys())
    assert verify(b"text", Signature(signature.key_id, memoryview(signature.value)), public_keys())


def test_another_key_does_not_verify():
    signature = sign(b"text")
    assert not verify(b"text", signature, known(FOREIGN))
    ((foreign_id, foreign),) = known(FOREIGN).items()
    assert not verify(b"text", signature, {signature.key_id: foreign})  # under the right name
    assert not verify(b"text", Signature(foreign_id, signature.value), known(KEY, FOREIGN))


def test_rotation(settings):
    """What an earlier key signed stays valid; once its public half is dropped, no longer."""
    settings.SIGNING_KEY = EARLIER
    old = sign(b"text")
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, [public_half(EARLIER)]
    new = sign(b"text")
    assert new.key_id != old.key_id
    assert list(public_keys()) == [new.key_id, old.key_id]
    assert verify(b"text", old, public_keys())
    assert verify(b"text", new, public_keys())
    settings.VERIFYING_KEYS = []
    assert not verify(b"text", old, public_keys())


@pytest.mark.parametrize("seed", [None, "", "zz" * 32, "11" * 31])
def test_without_a_key_nothing_is_signed(settings, seed):
    settings.SIGNING_KEY = seed
    with pytest.raises(ImproperlyConfigured, match="signing_key") as refusal:
        sign(b"text")
    assert not seed or seed not in str(refusal.value)
    if not seed:
        assert public_keys() == {}


def test_only_ed25519_is_a_public_key():
    with pytest.raises(ValueError, match=r"."):
        read_public_key("nothing")
    with pytest.raises(ValueError, match="Ed25519"):
        read_public_key(P256)


P256 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


# --- a whole PDF -----------------------------------------------------------------------------------


def test_sealed_and_intact():
    file = sealed(PDF)
    assert file.startswith(PDF)
    assert examine(file, public_keys()).state is State.INTACT
    assert examine(file, known(FOREIGN, KEY)).intact


def test_every_flipped_byte_is_exposed():
    file, keys = sealed(PDF), public_keys()
    luck = random.Random(7)
    places = [luck.randrange(len(file)) for _ in range(2000)]
    for place in places:
        changed = bytearray(file)
        changed[place] ^= luck.randrange(1, 256)
        assert not examine(bytes(changed), keys).intact, place


def test_every_bit_of_the_signature_line_counts():
    """Also the four bits of base64 that carry nothing."""
    file, keys = sealed(PDF), public_keys()
    for place in range(len(PDF) - 1, len(file)):
        for bit in range(8):
            changed = bytearray(file)
            changed[place] ^= 1 << bit
            assert not examine(bytes(changed), keys).intact, (place, bit)


def test_cut_added_and_moved():
    file, keys = sealed(PDF), public_keys()
    line = file[len(PDF) :]
    other = sealed(PDF.replace(b"\x05", b"\x06"))[-len(line) :]
    for changed in [
        file[:-1],
        file + b"\n",
        file + b"%%EOF\n",
        file + PDF,
        PDF + line + line,
        PDF + other,
        PDF[:-1] + line,
        line,
        line + PDF,
        PDF + line.replace(b" 1 ", b" 2 "),
        PDF + line.replace(b"\n", b"\r\n"),
    ]:
        assert examine(changed, keys).state is State.ALTERED
    for foreign in [b"", b"%PDF", PDF, PDF[:100]]:
        assert examine(foreign, keys).state is State.NOT_OURS


def test_a_file_of_another_platform_is_not_ours(settings):
    settings.SIGNING_KEY = FOREIGN
    file = sealed(PDF)
    verdict = examine(file, known(KEY))
    assert verdict.state is State.NOT_OURS
    assert verdict.key_id in known(FOREIGN)


def test_only_an_unsealed_pdf_is_sealed():
    for wrong in [b"", b"text", PDF[:-7], sealed(PDF), PDF.replace(b"\x01\x02", MARK)]:
        with pytest.raises(ValueError, match="unsealed"):
            sealed(wrong)


# --- the command and openssl -----------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    (tmp_path / "ours.pem").write_text(public_half(KEY))
    (tmp_path / "foreign.pem").write_text(public_half(FOREIGN))
    (tmp_path / "good.pdf").write_bytes(sealed(PDF))
    (tmp_path / "bad.pdf").write_bytes(sealed(PDF).replace(b"\x05\x06", b"\x05\x07", 1))
    return tmp_path


def told(*arguments) -> str:
    out = StringIO()
    call_command("verify_certificate", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_command(files, settings):
    settings.SIGNING_KEY = None  # only the public key is needed
    assert "完好" in told(files / "good.pdf", "--key", files / "ours.pem")
    assert "完好" in told(files / "good.pdf", "--key", files / "foreign.pem", "--key", files / "ours.pem")
    for file, key, sentence in [
        ("bad.pdf", "ours.pem", "已被改动"),
        ("good.pdf", "foreign.pem", "公钥"),
        ("none.pdf", "ours.pem", "读不到文件"),
        ("good.pdf", "none.pem", "读不到文件"),
        ("good.pdf", "good.pdf", "不是 Ed25519 公钥"),
    ]:
        with pytest.raises(CommandError, match=sentence):
            told(files / file, "--key", files / key)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
@pytest.mark.parametrize(("file", "good"), [("good.pdf", True), ("bad.pdf", False)])
def test_openssl_alone_can_check(files, file, good):
    """The three lines of verify_certificate's docstring."""
    script = (
        f"head -n -1 {file} > body.pdf && tail -n 1 {file} | cut -d' ' -f4 | openssl base64 -d -A > body.sig && "
        "openssl pkeyutl -verify -pubin -inkey ours.pem -rawin -in body.pdf -sigfile body.sig"
    )
    ran = subprocess.run(["bash", "-c", script], cwd=files, capture_output=True, text=True, check=False)
    assert ("Signature Verified Successfully" in ran.stdout) is good, ran.stdout + ran.stderr


# --- the keys' file --------------------------------------------------------------------------------

OLD = {
    "secret_key": "s",
    "field_keys": {"1": "f"},
    "field_key_current": "1",
    "index_key": "i",
    "index_suite": "intl",
    "index_layers": [],
    "index_current": "",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CPE_KEYS_FILE", raising=False)
    return tmp_path


def test_fresh_keys_can_sign(folder, settings):
    keys = load_keys(folder)
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = keys["signing_key"], keys["verifying_keys"]
    assert verify(b"text", sign(b"text"), public_keys())
    assert load_keys(folder) == keys


def test_an_older_file_gets_a_signing_key_and_keeps_the_rest(folder):
    path = folder / "keys.json"
    path.write_text(json.dumps(OLD))
    path.chmod(0o640)
    keys = load_keys(folder)
    assert keys | OLD == keys
    assert len(bytes.fromhex(keys["signing_key"])) == 32
    assert load_keys(folder) == keys
    assert path.stat().st_mode & 0o777 == 0o640


def test_behind_a_link_the_link_stays(folder, monkeypatch):
    (folder / "kept").mkdir()
    (folder / "kept/keys.json").write_text(json.dumps(OLD))
    (folder / "link.json").symlink_to(folder / "kept/keys.json")
    monkeypatch.setenv("CPE_KEYS_FILE", str(folder / "link.json"))
    keys = load_keys(folder)
    assert (folder / "link.json").is_symlink()
    assert json.loads((folder / "kept/keys.json").read_text()) == keys


def test_a_file_that_cannot_be_written_still_works(folder):
    (folder / "keys.json").write_text(json.dumps(OLD))
    (folder / ".keys.json.lock").mkdir()  # root may write where others may not: this stops root too
    assert load_keys(folder) == OLD | {"signing_key": None, "verifying_keys": []}
    assert json.loads((folder / "keys.json").read_text()) == OLD


def test_processes_that_start_together_have_the_same_key(folder):
    (folder / "keys.json").write_text(json.dumps(OLD))
    script = (
        "import pathlib, config.keys as k; print(k.load_keys(pathlib.Path('.').resolve())['signing_key'])"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(settings.BASE_DIR)},
        )
        for _ in range(8)
    ]
    said = {process.communicate()[0] for process in started}
    assert len(said) == 1
    assert json.loads((folder / "keys.json").read_text())["signing_key"] == said.pop().strip()


def test_changes_at_the_same_time_are_all_kept(folder):
    path = folder / "keys.json"
    path.write_text(json.dumps({"count": 0}))

    def add(kept: dict) -> dict:
        return {"count": kept["count"] + 1}

    threads = [threading.Thread(target=change_keys, args=(path, add)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(path.read_text()) == {"count": 20}


def test_the_rotation_command(folder, settings):
    before = load_keys(folder)
    settings.DATA_DIR = folder
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = before["signing_key"], []
    old, out = sign(b"text"), StringIO()
    call_command("new_signing_key", stdout=out)
    call_command("new_signing_key", stdout=out)
    after = load_keys(folder)
    assert before["signing_key"] not in (folder / "keys.json").read_text()
    assert after["signing_key"] not in out.getvalue()
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = after["signing_key"], after["verifying_keys"]
    assert len(public_keys()) == 3
    assert next(iter(public_keys())) in out.getvalue()
    assert verify(b"text", old, public_keys())
    assert after | {"signing_key": 0, "verifying_keys": 0} == before | {"signing_key": 0, "verifying_keys": 0}
