"""What a crash leaves among the files: half of an upload, or a whole one whose row was never committed.

A half has a name that nobody looks for (accounts/durable.py, config/health.py) and is taken after a day: no upload lasts
that long. A whole file is taken after as many days as a draft is kept, when no row of any table names it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.core.files.storage import Storage, default_storage
from django.utils import timezone

from config.media import file_fields

HALVES_STAY = timedelta(days=1)


def sweep(before: datetime, storage: Storage = default_storage) -> tuple[int, int]:
    """Delete the leftovers, whole ones older than `before`; returns how many (whole, halves)."""
    whole = halves = 0
    halves_before = max(before, timezone.now() - HALVES_STAY)
    for folder, names in _folders(storage):
        half = {name for name in names if is_half(name)}
        halves += sum(_taken(storage, f"{folder}{name}", halves_before) for name in half)
        stale = {f"{folder}{name}" for name in names if name not in half}
        stale = {path for path in stale if _is_older(storage, path, before)}
        # The rows are asked for after the files: whichever was committed by now is known.
        whole += sum(_taken(storage, path, before) for path in stale - _known(folder, stale))
    return whole, halves


def is_half(name: str) -> bool:
    """Whether a file of this name is still being written, or was when its process ended."""
    return name.startswith(".") and (name.endswith(".part") or name.startswith(".ready-"))


def _folders(storage: Storage, folder: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each folder, "" or with a / at its end, and the names of the files in it."""
    if not storage.exists(folder):
        return
    folders, names = storage.listdir(folder)
    yield folder, names
    for name in folders:
        yield from _folders(storage, f"{folder}{name}/")


def _known(folder: str, paths: set[str]) -> set[str]:
    """Those of the paths that a row names."""
    if not paths:
        return set()
    found = set()
    for model, field in file_fields():
        below = {f"{field}__startswith": folder} if folder else {f"{field}__in": list(paths)}
        rows = model._base_manager.filter(**below).values_list(field, flat=True)
        found.update(path for path in rows.iterator() if path in paths)
    return found


def _is_older(storage: Storage, path: str, before: datetime) -> bool:
    try:
        return storage.get_modified_time(path) < before
    except FileNotFoundError:  # finished, or discarded, since the folder was read
        return False


def _taken(storage: Storage, path: str, before: datetime) -> bool:
    if not _is_older(storage, path, before):
        return False
    storage.delete(path)
    return True
