"""专技人员信息查询: who an admin finds, and by what (F-88, F-89).

A whole ID number comes by POST alone and is looked up by its blind index; name and last four may stand in the
address, so that pages of a list can be turned.
"""

from typing import NamedTuple

from django.db.models import F, Q, QuerySet
from django.urls import reverse

from accounts.id_number import IdNumber
from credits.years import current_year
from desk import met
from orgs.actor import Actor
from orgs.models import Duty, OrgAdmin, Organization, Practitioner, Status
from workflow.wording import NOTHING, masked_name

ORDER = ("-pk",)
# Pages of single people that one person may open in an hour (trust.md §3.13): nobody reads a whole unit that way.
OPENED_PER_HOUR = 300


class Row(NamedTuple):
    """One line of the list, ready to print. `url` is "" for who left, `reset_url` where this admin may not reset."""

    url: str
    who: str
    id_masked: str
    unit: str
    title: str
    reset_url: str


def found(
    actor: Actor,
    name: str = "",
    last_four: str = "",
    unmet: bool = False,
    unit: Organization | None = None,
    left: bool = False,
) -> QuerySet:
    """The approved people of the actor's organisation and below, as dicts for `keyset.page`, newest first.

    `unmet`: only those who have not completed the current year. `unit`: only those there and below it; it is the
    caller's to check that the actor may see it. `left`: those whom the own unit once approved and who are here no
    longer (F-88).
    """
    people = Practitioner.objects.visible_to(actor).active()
    if left:
        here = Q(employer=actor.organization, status=Status.ACTIVE)
        people = Practitioner.objects.ever_at(actor.organization).exclude(here)
    elif unmet:
        people = met.unmet(unit or actor.organization, current_year())
    elif unit:
        people = people.filter(path__startswith=unit.path)
    if name:
        people = people.filter(user__name__startswith=name)
    if last_four:
        people = people.filter(user__id_last4=last_four)
    return people.values(
        "pk",
        "user_id",
        "employer_id",
        "title",
        name=F("user__name"),
        id_masked=F("user__id_masked"),
        unit=F("employer__name"),
    )


def with_number(actor: Actor, number: IdNumber) -> int | None:
    """The visible person with this document, or None."""
    people = Practitioner.objects.visible_to(actor).active()
    return people.filter(user__id_index=number.index).values_list("pk", flat=True).first()


def shown(rows: list[dict], actor: Actor) -> list[Row]:
    """List rows ready to print: names and ID numbers masked."""
    return [
        Row(
            reverse("desk:person", args=[row["pk"]]),
            masked_name(row["name"]),
            row["id_masked"],
            row["unit"],
            row["title"] or NOTHING,
            reverse("desk:reset_password", args=[row["pk"]])
            if row["employer_id"] == actor.organization.pk and row["user_id"] != actor.user.pk
            else "",
        )
        for row in rows
    ]


def shown_left(rows: list[dict]) -> list[Row]:
    """The same of people who left: that they were here, and nothing of what has become of them."""
    return [Row("", masked_name(row["name"]), row["id_masked"], "", "", "") for row in rows]


def resettable_by(actor: Actor) -> QuerySet:
    """Whose password this admin may reset: people of the own unit alone, not of sub-units, never oneself (F-43)."""
    if not actor.can(Duty.PEOPLE):
        return Practitioner.objects.none()
    return Practitioner.objects.active().filter(employer=actor.organization).exclude(user=actor.user)


def why_not(practitioner: Practitioner) -> str:
    """Why a unit may not reset this person's password although it employs them; "" when it may.

    One human has one password: whoever reset an admin's would hold the key to that admin's organisation.
    """
    if OrgAdmin.objects.active().filter(user=practitioner.user_id).exists():
        return "这位人员同时是单位管理员，密码不能由单位重置，请本人用登录页的“忘记登录密码？”找回。"
    return ""
