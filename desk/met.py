"""Who has completed the year: people of a subtree against what is required there (F-95).

Counted live from one row per person and year, joined to the people by the path's prefix. Good for a unit, an
authority and a bureau of ordinary size; a province's dashboard needs rolled-up counters (speed.md, "What follows").
"""

from django.db.models import BooleanField, Case, Count, F, FilteredRelation, Q, QuerySet, Value, When
from django.db.models.functions import Cast

from credits.models import Requirement, Subject
from credits.required import Required, required_at
from orgs.models import Organization, Practitioner

# PostgreSQL takes a NULL without a type for text.
_NEITHER = Cast(Value(None), BooleanField())
# Nothing is required of some people before the first dated rule: they have neither met it nor failed.
_COUNTS = {
    "people": Count("pk"),
    "asked": Count("pk", filter=Q(has_met__isnull=False)),
    "met": Count("pk", filter=Q(has_met=True)),
}


def people_asked_and_met(unit: Organization, year: int) -> tuple[int, int, int]:
    """How many approved people are in the subtree, of how many the year asks anything, how many have completed it."""
    counts = _people(unit, year).aggregate(**_COUNTS)
    return counts["people"], counts["asked"], counts["met"]


def by(unit: Organization, year: int, **group) -> QuerySet:
    """The same for each value of a grouping expression: rows of (value, people, asked, met)."""
    name = next(iter(group))
    return _people(unit, year).order_by().values(**group).annotate(**_COUNTS).values_list(name, *_COUNTS)


def unmet(unit: Organization, year: int) -> QuerySet:
    """The approved people of the subtree who have not completed the year."""
    return _people(unit, year).filter(has_met=False)


def _people(unit: Organization, year: int) -> QuerySet:
    return (
        Practitioner.objects.active()
        .filter(path__startswith=unit.path)
        .annotate(of_year=FilteredRelation("standings", condition=Q(standings__year=year)))
        .annotate(has_met=_has_met(unit, year))
    )


def _has_met(unit: Organization, year: int) -> Case:
    """Whether a person's hours are enough, by the rules of the nearest bureau that has its own; NULL: nothing is asked.

    One query.
    """
    rules = list(
        Requirement.objects.filter(
            Q(bureau__isnull=True) | Q(bureau__in=unit.ancestor_ids) | Q(bureau__path__startswith=unit.path)
        ).select_related("bureau")
    )
    below = {rule.bureau for rule in rules if rule.bureau and len(rule.bureau.path) > len(unit.path)}
    whens = []
    for bureau in sorted(below, key=lambda one: -len(one.path)):  # the nearest, hence deepest, first
        there = Q(path__startswith=bureau.path)
        whens += _verdict(required_at(bureau.path, rules, year), there)
    whens += _verdict(required_at(unit.path, rules, year), Q(pk__isnull=False))
    return Case(*whens, output_field=BooleanField())


def _verdict(required: Required, there: Q) -> list[When]:
    """Yes or no for the people there; NULL when nothing is required of them."""
    enough = _enough(required)
    if not enough:
        return [When(there, then=_NEITHER)]
    return [When(there & enough, then=Value(True)), When(there, then=Value(False))]


def _enough(required: Required) -> Q:
    """The condition on a person's sums; empty when nothing is required."""
    condition = Q()
    if required.total:
        condition &= Q(of_year__public_hours__gte=required.total - F("of_year__professional_hours"))
    for subject, field in ((Subject.PUBLIC, "public_hours"), (Subject.PROFESSIONAL, "professional_hours")):
        if required.of(subject):
            condition &= Q(**{f"of_year__{field}__gte": required.of(subject)})
    return condition
