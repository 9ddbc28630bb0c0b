"""专技人员信息查询: who an admin finds, and by what (F-88, F-89).

A whole ID number comes by POST alone and is looked up by its blind index; all else may stand in the address
(desk/wanted.py), so that pages of a list can be turned.
"""

from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet
from django.http import QueryDict

from accounts.id_number import IdNumber
from accounts.password import issue_one_use_secret
from accounts.refused import Refused
from credits import models as credits
from desk.addresses import for_each
from desk.wanted import WITHOUT, Standing, year_of
from orgs.actor import Actor, hold_right
from orgs.models import Duty, OrgAdmin, Organization, PersonKey, Practitioner, Status
from orgs.name_parts import LONGEST, NUMBER, parts_to_find, plain
from workflow import reach
from workflow.wording import NOTHING, hours, masked_name

ORDER = ("-pk",)  # of those who left
MOST_COUNTED = 1_000  # "1,000+" beyond it


class Row(NamedTuple):
    """One line of the list, ready to print. `url` is "" for who left, `reset_url` where this admin may not reset."""

    url: str
    who: str
    id_masked: str
    unit: str
    title: str
    stands: str
    met: bool
    reset_url: str


def page(actor: Actor, filters: dict, asked: QueryDict, unit: Organization | None = None) -> reach.Page:
    """The page of the list that the address asks for, with the year of each. One query, three where people are looked at
    one by one."""
    year = year_of(filters)
    if not set(filters) - {"unit", "year"}:
        return reach.page(_EVERYBODY.of(branch=_top(actor, unit).path, year=year), asked)
    steps = walk(actor, filters, unit)
    if steps is None:
        return reach.page(_with_year(found(actor, filters, unit), year), asked)
    visible = _as_rows(Practitioner.objects.visible_to(actor), F("path"), F("pk"))
    return reach.page(_with_year(visible, year), asked, steps)


def found(actor: Actor, filters: dict, unit: Organization | None = None) -> QuerySet:
    """All approved people of the actor's branch who fit the filters, as dicts; `unit`: only those there and below."""
    path, key = _top(actor, unit).path, _key(filters)
    if key:  # only approved people have keys
        people = Practitioner.objects.filter(keys__key=key, keys__path__startswith=path)
        return _as_rows(_narrowed(people, filters), F("keys__path"), F("keys__practitioner"))
    return _as_rows(_narrowed(_in_branch(path), filters), F("path"), F("pk"))


def how_many(actor: Actor, filters: dict, unit: Organization | None, page: reach.Page) -> str:
    """How many people the list has, "1,000+" beyond MOST_COUNTED; "" where only looking at each would tell.

    No query where the page is the whole list. One where something is asked for: as far as MOST_COUNTED along the index
    that the list itself is read from. None for everybody: the page that is opened most does not wait for a number that
    the first screen and 学时统计 have.
    """
    if page.looked:
        return ""
    if not page.newer and not page.older:
        return f"{len(page.rows):,}" if page.rows else ""
    path, key = _top(actor, unit).path, _key(filters)
    if not set(filters) - {"year"} or _left_over(filters) or len(parts_to_find(filters.get("name", ""))) > 1:
        return ""
    if key:
        listed = PersonKey.objects.filter(key=key, path__startswith=path).order_by("path", "practitioner_id")
    else:
        listed = _in_branch(path).filter(**_of_series(filters)).order_by("path", "pk")
    count = listed[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"


def _in_branch(path: str) -> QuerySet:
    return Practitioner.objects.active().filter(path__startswith=path)


def _with_year(people: QuerySet, year: int) -> QuerySet:
    """With `that_year__total` and `that_year__complete`, None for who has nothing of that year."""
    that_year = FilteredRelation("standings", condition=Q(standings__year=year))
    return people.annotate(that_year=that_year).values(*_SHOWN, "place", "person", *_OF_YEAR)


def _as_rows(people: QuerySet, place: F, person: F) -> QuerySet:
    return people.values(*_SHOWN, place=place, person=person)


_SHOWN = (
    "pk",
    "user_id",
    "employer_id",
    "title",
    "title_series_id",
    "title_level",
    "user__name",
    "user__id_masked",
    "employer__name",
)
_OF_YEAR = ("that_year__total", "that_year__complete")
# The whole branch, opened at every look.
_EVERYBODY = reach.Found(
    lambda branch, year: _with_year(_as_rows(_in_branch(branch), F("path"), F("pk")), year)
)


def walk(actor: Actor, filters: dict, unit: Organization | None = None) -> QuerySet | None:
    """Who has to be looked at one by one for these filters, for `reach.page`; None when an index holds the answer."""
    path, key = _top(actor, unit).path, _key(filters)
    if not _left_over(filters):
        return None
    if key:
        people = PersonKey.objects.filter(key=key, path__startswith=path)
        people = people.values(place=F("path"), person=F("practitioner_id"))
    else:
        people = Practitioner.objects.filter(path__startswith=path, **_of_series(filters))
        people = people.values(place=F("path"), person=F("pk"))
    return people.alias(fits=reach.one_by_one(_narrowed(Practitioner.objects.active(), filters)))


def _top(actor: Actor, unit: Organization | None) -> Organization:
    """The organisation whose branch is searched: never one outside of the actor's own."""
    inside = unit is not None and unit.path.startswith(actor.organization.path)
    return unit if inside else actor.organization


def _key(filters: dict) -> str:
    """The one key of PersonKey that a search begins with: of the number before the name, since fewer have it."""
    if "last_four" in filters:
        return NUMBER + filters["last_four"]
    return next(iter(parts_to_find(filters.get("name", ""))), "")


def _of_series(filters: dict) -> dict:
    if "series" not in filters:
        return {}
    return {"title_series": None if filters["series"] == WITHOUT else filters["series"]}


def _left_over(filters: dict) -> bool:
    """Whether some filter is left that no index serves together with the place."""
    several = ("last_four" in filters) + ("name" in filters) + ("series" in filters) > 1
    long = len(plain(filters.get("name", ""))) > LONGEST
    return several or long or "level" in filters or "standing" in filters


def _narrowed(people: QuerySet, filters: dict) -> QuerySet:
    parts = parts_to_find(filters.get("name", ""))
    people = people.having(part for part in parts if part != _key(filters))
    if "series" in filters:
        people = people.filter(**_of_series(filters))
    if "level" in filters:
        people = people.filter(title_level=filters["level"])
    if "standing" in filters:
        people = standing_is(people, filters["standing"], year_of(filters))
    return people


def standing_is(people: QuerySet, standing: str, year: int) -> QuerySet:
    """Only those whose year is there."""
    years = credits.Standing.objects.filter(practitioner=OuterRef("pk"), year=year)
    if standing == Standing.NOTHING:
        return people.exclude(Exists(years.filter(total__gt=0)))
    complete = Exists(years.filter(complete=True))
    return people.filter(complete) if standing == Standing.MET else people.exclude(complete)


def with_number(actor: Actor, number: IdNumber) -> int | None:
    """The visible person with this document, or None."""
    people = Practitioner.objects.visible_to(actor).active()
    return people.filter(user__id_index__in=number.indexes).values_list("pk", flat=True).first()


def left(actor: Actor, filters: dict) -> QuerySet:
    """Whom the own unit once approved and who are here no longer (F-88), as dicts for `keyset.page`."""
    here = Q(employer=actor.organization, status=Status.ACTIVE)
    people = Practitioner.objects.ever_at(actor.organization).exclude(here)
    if "name" in filters:
        people = people.filter(user__name__contains=filters["name"])
    if "last_four" in filters:
        people = people.filter(user__id_last4=filters["last_four"])
    return people.values("pk", "user__name", "user__id_masked")


def shown(rows: list[dict], actor: Actor) -> list[Row]:
    """Rows of `page` ready to print: names and ID numbers masked, the hours of the year. No query."""
    person, reset = for_each("desk:person"), for_each("desk:reset_password")
    unit, user = actor.organization.pk, actor.user.pk
    found = []
    for row in rows:
        pk, total = row["pk"], row["that_year__total"]
        may_reset = row["employer_id"] == unit and row["user_id"] != user
        found.append(
            Row(
                person(pk),
                masked_name(row["user__name"]),
                row["user__id_masked"],
                row["employer__name"],
                row["title"] or NOTHING,
                hours(total) if total else "0",
                bool(row["that_year__complete"]),
                reset(pk) if may_reset else "",
            )
        )
    return found


def shown_left(rows: list[dict]) -> list[Row]:
    """The same of people who left: that they were here, and nothing of what has become of them."""
    return [
        Row("", masked_name(row["user__name"]), row["user__id_masked"], "", "", "", False, "") for row in rows
    ]


def resettable_by(actor: Actor) -> QuerySet:
    """Whose password this admin may reset: people of the own unit alone, not of sub-units, never oneself (F-43)."""
    if not actor.can(Duty.PEOPLE):
        return Practitioner.objects.none()
    return Practitioner.objects.active().filter(employer=actor.organization).exclude(user=actor.user)


@transaction.atomic
def reset_password(practitioner: Practitioner, by: Actor) -> None:
    """The last six of the ID number become the password, once (F-41 … F-43). Refused where `why_not` has a reason, and
    where person or right changed a moment ago."""
    hold_right(by)
    if not resettable_by(by).filter(pk=practitioner.pk).select_for_update(of=("self",), no_key=True):
        raise Refused("这位人员刚刚已不在本单位，密码没有重置。")
    refusal = why_not(practitioner)
    if refusal:
        raise Refused(refusal)
    issue_one_use_secret(practitioner.user, by=by.user, organization=by.organization.name)


def why_not(practitioner: Practitioner) -> str:
    """Why a unit may not reset this person's password although it employs them; "" when it may.

    One human has one password: whoever reset an admin's would hold the key to that admin's organisation.
    """
    # Also who is suspended or not approved yet: what opens one day must not open with a password of others.
    if OrgAdmin.objects.filter(user=practitioner.user_id).exclude(account__status="closed").exists():
        return "这位人员同时是单位管理员，密码不能由单位重置，请本人用登录页的“忘记登录密码？”找回。"
    return ""
