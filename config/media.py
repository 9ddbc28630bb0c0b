"""Whether database and files belong together: every row with a file has it, as its digest says, and every file its row.

After a restore they may come from two moments; in daily life nothing but a damage or a hand on the disk parts them.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.core.files.storage import Storage, default_storage
from django.db.models import FileField, Model


class Wrong(NamedTuple):
    """One file: missing, changed or without a row. `row` is the row's table and key, "" where there is none."""

    what: str
    path: str
    row: str

    def __str__(self) -> str:
        words = {"missing": "缺少文件", "changed": "内容与摘要不符", "without row": "没有对应的记录"}
        return f"{words[self.what]}：{self.path}" + (f"（{self.row}）" if self.row else "")


def cross_check(storage: Storage = default_storage) -> Iterator[Wrong]:
    """Read every file. Models that keep a `sha256` beside their file have its content compared."""
    known = set()
    for model, field in file_fields():
        digest = "sha256" if any(one.name == "sha256" for one in model._meta.fields) else ""
        columns = ["pk", field, *([digest] if digest else [])]
        for pk, path, *rest in model._base_manager.exclude(**{field: ""}).values_list(*columns).iterator():
            if not path:
                continue
            known.add(path)
            row = f"{model._meta.db_table} {pk}"
            if not storage.exists(path):
                yield Wrong("missing", path, row)
            elif rest and _digest(storage, path) != rest[0]:
                yield Wrong("changed", path, row)
    for path in _all_files(storage):
        if path not in known:
            yield Wrong("without row", path, "")


def file_fields() -> Iterator[tuple[type[Model], str]]:
    """Every table that names files, and the field in which it does."""
    for app in apps.get_app_configs():
        for model in app.get_models():
            for field in model._meta.concrete_fields:
                if isinstance(field, FileField):
                    yield model, field.name


def _digest(storage: Storage, path: str) -> str:
    with storage.open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _all_files(storage: Storage, folder: str = "") -> Iterator[str]:
    if not storage.exists(folder):
        return
    folders, files = storage.listdir(folder)
    for name in sorted(files):
        yield f"{folder}{name}"
    for name in sorted(folders):
        yield from _all_files(storage, f"{folder}{name}/")
