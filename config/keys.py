"""The installation's secrets: Django's SECRET_KEY, the field keys and the index key.

They come from the file that CPE_KEYS_FILE names (production) or from one in the data folder, which is made once
and then kept with the data it protects: losing it means losing every sealed ID number. SECRET_KEY alone may also
stand in the environment.
"""

import json
import os
import secrets
from pathlib import Path


class KeysMissing(RuntimeError):
    """CPE_KEYS_FILE names no file: fresh keys would orphan the data."""


def _fresh() -> dict:
    return {
        "secret_key": secrets.token_urlsafe(50),
        "field_keys": {"1": secrets.token_hex(32)},
        "field_key_current": "1",
        "index_key": secrets.token_hex(32),
    }


def load_keys(data_dir: Path) -> dict:
    """Return the keys of this installation.

    CPE_KEYS_FILE names the file; without it, `keys.json` in the data folder is used and made at the first
    start (mode 0600). The keys never change afterwards: blind indexes and seals depend on them.
    """
    path = Path(os.environ.get("CPE_KEYS_FILE") or data_dir / "keys.json")
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
    return json.loads(path.read_text())
