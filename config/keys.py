"""The installation's secrets: Django's SECRET_KEY, the field keys, the index keys and the key that signs certificates.

They come from the file that CPE_KEYS_FILE names (production) or from one in the data folder, which is made once
and then kept with the data it protects: losing it means losing every sealed ID number. SECRET_KEY alone may also
stand in the environment.

The signing key may be replaced (`manage.py new_signing_key`): the public halves of earlier ones are kept, and what they
signed stays valid. Field and index keys are replaced by `manage.py rotate_keys`, which adds them here step by step.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: whoever writes last is right
    fcntl = None


class KeysMissing(RuntimeError):
    """CPE_KEYS_FILE names no file: fresh keys would orphan the data."""


def _fresh() -> dict:
    return {
        "secret_key": secrets.token_urlsafe(50),
        "field_keys": {"1": secrets.token_hex(32)},
        "field_key_current": "1",
        "index_key": secrets.token_hex(32),
        "index_suite": os.environ.get("CPE_CRYPTO_SUITE", "intl"),
        **_fresh_signing_key(),
    }


def _fresh_signing_key() -> dict:
    """Ed25519: 32 random bytes are the private key."""
    return {"signing_key": secrets.token_hex(32), "verifying_keys": []}


def load_keys(data_dir: Path) -> dict:
    """Return the keys of this installation.

    CPE_KEYS_FILE names the file; without it, `keys.json` in the data folder is used and made at the first
    start (mode 0600). No start changes them afterwards: blind indexes and seals depend on them. A file from before
    certificates were signed gets its signing key here; where it may not be written, "signing_key" is None.
    """
    path = keys_file(data_dir)
    if not path.exists():
        if os.environ.get("CPE_KEYS_FILE"):
            raise KeysMissing(f"CPE_KEYS_FILE names a file that does not exist: {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(_fresh(), file, indent=1)
        try:
            os.link(draft, path)  # fails when another process was first: then its keys are ours too
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    keys = json.loads(path.read_text())
    if "signing_key" not in keys:
        with suppress(OSError):  # read-only: everything but signing works, and signing says what to do
            keys = change_keys(path, lambda kept: _fresh_signing_key() | kept)
    return _LATER | keys


# What a file from before did not have.
_LATER = {
    "signing_key": None,
    "verifying_keys": [],
    "index_suite": "intl",
    "index_layers": [],
    "index_current": "",
}


def keys_file(data_dir: Path) -> Path:
    return Path(os.environ.get("CPE_KEYS_FILE") or data_dir / "keys.json")


def change_keys(path: Path, change: Callable[[dict], dict]) -> dict:
    """Replace the file's content by `change(content)` at one stroke, keeping its owner and mode; return the new one.

    Processes that start together wait for each other and look again, so that all of them have the same keys. Raise
    OSError when the file cannot be replaced; it is then as it was.
    """
    path = path.resolve()  # behind a symbolic link: the link stays
    with _alone(path):
        kept = json.loads(path.read_text())
        changed = change(kept)
        if changed == kept:
            return kept
        now = path.stat()
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(changed, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh = draft.stat()
            if (fresh.st_uid, fresh.st_gid) != (now.st_uid, now.st_gid):
                os.chown(draft, now.st_uid, now.st_gid)
            draft.chmod(now.st_mode & 0o777)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    return changed


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
