"""The three moves of a change of keys in the keys' file (`manage.py rotate_keys`); between them every process restarts.

1. `add`: a new field key and a new layer of the index are known, and not used yet;
2. `use`: what is written from the next start on is written with the new field key; rows are rewritten
   (accounts/rotation.py); then `settle`: the new index is what is written;
3. `drop`: the field keys that nothing needs any more are gone.
"""

import base64
import binascii
import json
import secrets
from pathlib import Path

from django.conf import settings
from django.db import connection

from accounts import crypto
from accounts.models import Session
from accounts.rotation import keys_used
from config.keys import change_keys


def add(path: Path) -> str:
    """Returns the id of the new keys."""

    def change(kept: dict) -> dict:
        new = str(1 + max(int(one) for one in [*kept["field_keys"], *_layers(kept)] if one.isdecimal()))
        layer = {"id": new, "suite": settings.CRYPTO_SUITE, "key": secrets.token_hex(32)}
        return kept | {
            "field_keys": kept["field_keys"] | {new: secrets.token_hex(32)},
            "index_layers": [*kept.get("index_layers", []), layer],
            "index_current": kept.get("index_current", ""),
        }

    return _take_over(change_keys(path, change))


def is_open(path: Path) -> bool:
    """Whether newer keys stand in the file than those that are written."""
    kept = json.loads(path.read_text())
    return _newest(kept) not in (kept.get("index_current", ""), "") and bool(_layers(kept))


def use(path: Path) -> str:
    return _take_over(change_keys(path, lambda kept: kept | {"field_key_current": _newest(kept)}))


def settle(path: Path) -> str:
    return _take_over(change_keys(path, lambda kept: kept | {"index_current": _newest(kept)}))


def drop(path: Path) -> list[str]:
    """Returns the ids of the field keys that are gone."""
    needed = keys_used()[0] | passing_keys()
    before = set(settings.FIELD_KEYS)

    def change(kept: dict) -> dict:
        stay = needed | {kept["field_key_current"]}
        return kept | {"field_keys": {one: key for one, key in kept["field_keys"].items() if one in stay}}

    _take_over(change_keys(path, change))
    return sorted(before - set(settings.FIELD_KEYS))


def passing_keys() -> set[str]:
    """Ids of the field keys that kept forms and letters on their way need: they are over by themselves."""
    found = set()
    for one in Session.objects.iterator(chunk_size=500):
        for record in one.get_decoded().get("kept", {}).values():
            found |= _key_of(record.get("sealed"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT args->>'sealed' FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND args ? 'sealed'"
        )
        for (sealed,) in cursor.fetchall():
            found |= _key_of(sealed)
    return found


def _key_of(sealed: str | None) -> set[str]:
    try:
        return {crypto.sealed_with(base64.b64decode(sealed or ""))}
    except (binascii.Error, crypto.SealBroken):
        return set()


def _layers(kept: dict) -> list[str]:
    return [one["id"] for one in kept.get("index_layers", [])]


def _newest(kept: dict) -> str:
    return (_layers(kept) or [kept["field_key_current"]])[-1]


def _take_over(keys: dict) -> str:
    """This process goes on with the new file."""
    settings.FIELD_KEYS, settings.FIELD_KEY_CURRENT = keys["field_keys"], keys["field_key_current"]
    settings.INDEX_LAYERS, settings.INDEX_CURRENT = keys["index_layers"], keys["index_current"]
    return _newest(keys)
