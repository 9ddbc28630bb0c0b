"""Which columns hold seals and blind indexes: each app names its own in its `ciphers.py`, a rotation of keys finds them.

    sealed(User, "id_sealed", PURPOSE)
    indexed(User, "id_index", PURPOSE)

What lives shorter than a rotation (kept forms in sessions, letters in the queue, password resets, budgets) is not here:
it is read with the keys of before until it is over. tests/test_privacy_rotation.py fails when a column was forgotten.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Model
from django.utils.module_loading import autodiscover_modules

from accounts.models import IndexStep


@dataclass(frozen=True)
class Column:
    """One column of ciphertext (`is_index` False) or of blind indexes.

    `found_by`, for big tables: queries that give the keys of the rows which hold `step.before`, one of the indexes of a
    rotation whose `step.after` is to stand there (where they belong to a person, that one is there already). Several
    where no single index of the database finds all of them. Without any, the whole table is looked through.
    """

    model: type[Model]
    name: str
    purpose: str
    is_index: bool
    found_by: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> str:
        return self.model._meta.pk.column


_COLUMNS: list[Column] = []


def sealed(model: type[Model], name: str, purpose: str) -> None:
    _COLUMNS.append(Column(model, name, purpose, False))


def indexed(model: type[Model], name: str, purpose: str, *found_by: str) -> None:
    _COLUMNS.append(Column(model, name, purpose, True, found_by))


def all_columns() -> list[Column]:
    autodiscover_modules("ciphers")
    return list(_COLUMNS)


def brought_along(indexes: list[str]) -> dict[str, str]:
    """Of these indexes those that a rotation under way has replaced, with what stands in the tables now.

    For what is compared with tables and stands in none: what is written into one is brought along by its trigger.
    """
    if not settings.INDEX_LAYERS:
        return {}
    return dict(IndexStep.objects.filter(before__in=indexes).values_list("before", "after"))


def tables() -> dict[type[Model], list[Column]]:
    """The columns of each model, people first."""
    found: dict[type[Model], list[Column]] = {}
    for column in all_columns():
        found.setdefault(column.model, []).append(column)
    return dict(sorted(found.items(), key=lambda one: one[0]._meta.app_label))
