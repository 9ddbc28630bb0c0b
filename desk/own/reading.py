"""A row of any table as {label: value} in people's words."""

import datetime
from decimal import Decimal

from django.db.models import BinaryField, FileField, ForeignKey, Model
from django.utils import timezone

from orgs.models import Division, FieldOfStudy, Organization, TitleSeries

# What a row may point at and be told by its name; other rows are kinds of their own.
NAMED = (Organization, TitleSeries, FieldOfStudy, Division)


def described(row: Model, fields: str = "") -> dict:
    """The fields of this names (all that say something, when none are named), by their labels."""
    names = fields.split() or [field.name for field in row._meta.concrete_fields if _says(field)]
    found = {}
    for name in names:
        field = row._meta.get_field(name)
        display = getattr(row, f"get_{name}_display", None)
        value = display() if display else getattr(row, name)
        found[str(field.verbose_name)] = _plain(value)
    return found


def _says(field) -> bool:
    if isinstance(field, ForeignKey):
        return issubclass(field.related_model, NAMED)
    internal = (
        field.primary_key
        or field.name.endswith(("_index", "_sealed", "_key", "_hint"))
        or field.name == "draft"
    )
    return not internal and not isinstance(field, BinaryField | FileField)


def _plain(value):
    if isinstance(value, datetime.datetime):
        return timezone.localtime(value).isoformat(timespec="seconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    return str(value)
