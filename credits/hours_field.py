"""Hours by subject in one column: {"public": Decimal("30.0")}, any number of subjects, never a float.

Stored as jsonb with the numbers as text, so that neither Python nor JSON rounds them; SQL reads them as
`(hours->>'public')::numeric` and adds whole columns with the aggregate credits_hours_sum (migration 0002).
"""

from decimal import Decimal

from django.db import models

ZERO = Decimal(0)


class HoursField(models.JSONField):
    """A jsonb column that is a dict of Decimals by subject in Python."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("default", dict)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value, expression, connection):
        return as_hours(super().from_db_value(value, expression, connection))

    def get_db_prep_value(self, value, connection, prepared=False):
        if isinstance(value, dict):
            value = as_text(value)
        return super().get_db_prep_value(value, connection, prepared)


def as_hours(value: dict | None) -> dict[str, Decimal]:
    """What the database holds, as Decimals."""
    return {subject: Decimal(hours) for subject, hours in (value or {}).items()}


def as_text(hours: dict[str, Decimal]) -> dict[str, str]:
    """The same as it is stored: one decimal, no entry for nothing."""
    return {subject: f"{value:.1f}" for subject, value in hours.items() if value}


def added(one: dict[str, Decimal], other: dict[str, Decimal]) -> dict[str, Decimal]:
    """The sum by subject."""
    return {key: one.get(key, ZERO) + other.get(key, ZERO) for key in {**one, **other}}


def subtracted(one: dict[str, Decimal], other: dict[str, Decimal]) -> dict[str, Decimal]:
    """What remains by subject."""
    return {key: value - other.get(key, ZERO) for key, value in one.items()}
