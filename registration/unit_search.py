"""Finding the unit or superior to register under: approved ones only (F-04), with path, phone and usual days."""

from dataclasses import dataclass

from django.db.models import Q

from orgs.models import Kind, Organization, Status
from registration.enrol import KINDS
from registration.situations import Situation
from workflow.slip import usual_for

MOST = 50


@dataclass(frozen=True)
class Hit:
    """An organisation with the names of its superiors from the root down."""

    organization: Organization
    path: str
    usual: str


def find(situation: Situation, text: str, division: str) -> tuple[list[Hit], bool]:
    """The approved organisations that match, at most 50, and whether there are more. Four queries at most."""
    found = Organization.objects.choosable(*situation.choosable_kinds)
    if text:
        found = found.search(text)
    if division:
        found = found.filter(division__code__startswith=_district(division))
    if situation.county:
        found = found.exclude(division__code__endswith="00")
    rows = list(found.order_by("division_id", "name", "pk")[: MOST + 1])
    more, rows = len(rows) > MOST, rows[:MOST]
    above = Organization.objects.exclude(kind=Kind.OPERATOR).in_bulk(
        {pk for row in rows for pk in row.ancestor_ids}
    )
    kind = KINDS[situation.role]
    usual = usual_for({(row.pk, kind) for row in rows})
    return [
        Hit(
            row,
            " › ".join(above[pk].name for pk in row.ancestor_ids if pk in above),
            usual.get((row.pk, kind), ""),
        )
        for row in rows
    ], more


def waiting(situation: Situation, text: str) -> list[str]:
    """Names of organisations that match but are still under review: they can be chosen later."""
    if len(text) < 2:
        return []
    found = Organization.objects.filter(status=Status.PENDING, kind__in=situation.choosable_kinds)
    found = found.filter(Q(name__icontains=text) | Q(uscc=text.upper()))
    return list(found.order_by("name").values_list("name", flat=True)[:3])


def _district(code: str) -> str:
    """What the codes of a division and of all divisions inside it begin with."""
    return code.removesuffix("00").removesuffix("00")
