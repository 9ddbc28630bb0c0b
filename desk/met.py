"""Who has completed the year: people of a subtree against what is required there (F-95).

Counted live from one row per person and year, joined to the people by the path's prefix. Good for a unit, an
authority and a bureau of ordinary size; a province's dashboard needs rolled-up counters (speed.md, "What follows").
"""

from django.db.models import Case, Count, F, FilteredRelation, Q, QuerySet, Value, When

from credits.models import Requirement, Subject
from credits.required import Required, required_at
from orgs.models import Organization, Practitioner


def people_and_met(unit: Organization, year: int) -> tuple[int, int]:
    """How many approved people are in the subtree, and how many of them have completed the year."""
    counts = _people(unit, year).aggregate(people=Count("pk"), met=Count("pk", filter=Q(has_met=True)))
    return counts["people"], counts["met"]


def by(unit: Organization, year: int, **group) -> QuerySet:
    """The same for each value of a grouping expression: rows of (value, people, met)."""
    name = next(iter(group))
    return (
        _people(unit, year)
        .order_by()
        .values(**group)
        .annotate(people=Count("pk"), met=Count("pk", filter=Q(has_met=True)))
        .values_list(name, "people", "met")
    )


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
    """Whether a person's hours are enough, by the rules of the nearest bureau that has its own. One query."""
    rules = list(
        Requirement.objects.filter(
            Q(bureau__isnull=True) | Q(bureau__in=unit.ancestor_ids) | Q(bureau__path__startswith=unit.path)
        ).select_related("bureau")
    )
    below = {rule.bureau for rule in rules if rule.bureau and len(rule.bureau.path) > len(unit.path)}
    whens = []
    for bureau in sorted(below, key=lambda one: -len(one.path)):  # the nearest, hence deepest, first
        there = Q(path__startswith=bureau.path)
        whens += [
            When(there & _enough(required_at(bureau.path, rules, year)), then=True),
            When(there, then=False),
        ]
    return Case(*whens, When(_enough(required_at(unit.path, rules, year)), then=True), default=Value(False))


def _enough(required: Required) -> Q:
    condition = Q()
    if required.total:
        condition &= Q(of_year__public_hours__gte=required.total - F("of_year__professional_hours"))
    for subject, field in ((Subject.PUBLIC, "public_hours"), (Subject.PROFESSIONAL, "professional_hours")):
        if required.of(subject):
            condition &= Q(**{f"of_year__{field}__gte": required.of(subject)})
    # Nothing required: everybody has met it.
    return condition or Q(pk__isnull=False)
