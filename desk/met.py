"""Who has completed the year (F-95): numbers from the rolled-up counters, people from their own year's row."""

from django.db.models import Exists, OuterRef, QuerySet

from credits.models import Standing
from credits.required import packs_at, rules_among
from credits.tallies import Count, counts_of
from orgs.models import Organization, Practitioner


def is_asked(unit: Organization, year: int) -> bool:
    """Whether the rules at this place ask anything of the year. One query."""
    return bool(rules_among(packs_at(unit.path), unit.path, None, year).minimums)


def of(units: list[Organization], year: int) -> dict[int, Count]:
    """The people of each unit with everybody below it, and how many completed the year. One query."""
    return {pk: count for (pk, _), count in counts_of(units, [year]).items()}


def unmet(unit: Organization, year: int) -> QuerySet:
    """The approved people of the subtree who have not completed the year."""
    complete = Standing.objects.filter(practitioner=OuterRef("pk"), year=year, complete=True)
    return Practitioner.objects.active().filter(path__startswith=unit.path).exclude(Exists(complete))
