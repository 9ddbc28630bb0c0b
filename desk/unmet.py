"""未达标名单: who has not completed a year, what each still lacks, and who was reminded of it lately (screens.md, A18)."""

import datetime
from typing import NamedTuple

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from accounts.models import Message
from credits.hours_field import ZERO
from credits.models import Standing
from credits.required import lines_of, packs_at, rules_once
from credits.rules.shapes import Pack
from desk import people, wanted
from desk.addresses import for_each
from orgs.actor import Actor
from orgs.models import Organization, Practitioner
from workflow import reach
from workflow.wording import NOTHING, hours, masked_name, shown_date

AGAIN_AFTER = datetime.timedelta(days=7)  # nobody is reminded of a year more often


class Row(NamedTuple):
    """One line of the list, ready to print. `reminded` is the day of a reminder that is not a week old, or ""."""

    person: int
    url: str
    who: str
    id_masked: str
    unit: str
    earned: str
    lacks: str
    reminded: str


class Lack(NamedTuple):
    """What one person has of a year, and what is missing in words ("" where nothing is asked of them)."""

    earned: str
    words: str


def filters_of(year: int) -> dict:
    return {"standing": wanted.Standing.UNMET, "year": year}


def page(actor: Actor, year: int, unit: Organization | None, asked: QueryDict) -> reach.Page:
    return people.page(actor, filters_of(year), asked, unit)


def shown(rows: list[dict], year: int) -> list[Row]:
    """The lines of a page. Three queries, whatever their number."""
    found = [
        Practitioner(
            pk=row["pk"],
            path=row["place"],
            title_series_id=row["title_series_id"],
            title_level=row["title_level"],
        )
        for row in rows
    ]
    lacks = lacks_of(found, year)
    reminded = lately_reminded([row["user_id"] for row in rows], year)
    person = for_each("desk:person")
    return [
        Row(
            row["pk"],
            person(row["pk"]),
            masked_name(row["user__name"]),
            row["user__id_masked"],
            row["employer__name"],
            lacks[row["pk"]].earned,
            lacks[row["pk"]].words or NOTHING,
            shown_date(reminded[row["user_id"]]) if row["user_id"] in reminded else "",
        )
        for row in rows
    ]


def lacks_of(found: list[Practitioner], year: int) -> dict[int, Lack]:
    """What each of these people lacks, by the rules of their own place. Two queries."""
    years = {
        one.practitioner_id: one
        for one in Standing.objects.filter(practitioner__in=[one.pk for one in found], year=year)
    }
    rules = rules_once(packs_at("/".join({part for one in found for part in one.path.split("/") if part})))
    return {
        one.pk: _lack(
            one, years.get(one.pk) or Standing(year=year), rules(one.path, one.title_series_id, year)
        )
        for one in found
    }


def _lack(one: Practitioner, standing: Standing, rules: Pack) -> Lack:
    lines = lines_of(rules, standing.hours, standing.imported, standing.relief, one.title_level)
    words = "、".join(f"{line.label} {hours(line.missing)}" for line in lines if not line.done)
    return Lack(hours(standing.total or ZERO), words)


def lately_reminded(users: list[int], year: int) -> dict[int, datetime.datetime]:
    """When each of these users was reminded of this year, if that is not a week ago. One query."""
    return dict(
        reminders(year).filter(user__in=users).order_by("created_at").values_list("user", "created_at")
    )


def reminders(year: int) -> QuerySet:
    return Message.objects.filter(
        key__startswith=f"unmet:{year}:", created_at__gt=timezone.now() - AGAIN_AFTER
    )
