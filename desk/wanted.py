"""What the address of 专技人员信息查询 asks for: read once, for the page, its links and its export alike.

A dict of plain values, so that an export can keep it: name, last_four, unit (id), series (code, or WITHOUT), level,
standing and year. What is not asked for is not in it. A whole ID number is never among them: it comes by POST alone.
"""

from django.db import models
from django.http import Http404, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode

from accounts.refused import Refused
from credits.years import current_year, declarable_years
from orgs.actor import Actor
from orgs.models import Organization, TitleLevel, TitleSeries

WITHOUT = "none"  # 职称系列：无
LEVELS = dict(TitleLevel.choices)


class Standing(models.TextChoices):
    """Where a person's year is: who has no hours has not met it either."""

    MET = "met", "已达标"
    UNMET = "unmet", "未达标"
    NOTHING = "nothing", "没有学时"


STANDINGS = dict(Standing.choices)


def read(asked: QueryDict, actor: Actor) -> dict:
    """Http404 when it names a unit that this actor may not see; what does not read is not asked for."""
    found = {
        "name": asked.get("name", "").strip()[:50],
        "last_four": asked.get("last_four", "").strip().upper()[:4],
        "series": asked.get("series", "") if asked.get("series", "").isalnum() else "",
        "level": asked.get("level", "") if asked.get("level", "") in LEVELS else "",
        "standing": asked.get("standing", "") if asked.get("standing", "") in STANDINGS else "",
    }
    found["series"] = found["series"][:8]
    year = year_in(asked)
    if year != current_year():
        found["year"] = year
    unit = unit_in(asked, actor)
    if unit:
        found["unit"] = unit.pk
    return {key: value for key, value in found.items() if value}


def year_in(asked: QueryDict) -> int:
    """The year asked for, the current one when it is none of those that people look up."""
    text = asked.get("year", "")
    year = int(text) if text.isascii() and text.isdecimal() and len(text) == 4 else 0
    return year if year in declarable_years() else current_year()


def unit_in(asked: QueryDict, actor: Actor) -> Organization | None:
    """The organisation below the own one to which `unit` narrows, None for the own one itself."""
    text = asked.get("unit", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Http404
    unit = get_object_or_404(Organization.objects.visible_to(actor), pk=text)
    return None if unit == actor.organization else unit


def scope(actor: Actor, filters: dict) -> Organization:
    """The organisation below which the people are. Refused when the actor may not look there any more."""
    if "unit" not in filters:
        return actor.organization
    unit = Organization.objects.visible_to(actor).filter(pk=filters["unit"]).first()
    if unit is None:
        raise Refused("所选单位已不在您的管理范围内，请重新选择单位。")
    return unit


def query(filters: dict, **changes) -> str:
    """The address's query string; a change to "" leaves the filter out."""
    return urlencode({key: value for key, value in {**filters, **changes}.items() if value})


def year_of(filters: dict) -> int:
    return filters.get("year") or current_year()


def words(filters: dict) -> str:
    """What narrows the list, in words, without the unit; "" when nothing does. One query when a series is asked for."""
    series = filters.get("series")
    named = (
        ""
        if series in (None, WITHOUT)
        else TitleSeries.objects.filter(pk=series).values_list("name", flat=True)
    )
    said = [
        f"姓名含“{filters['name']}”" if "name" in filters else "",
        f"证件号码后四位为 {filters['last_four']}" if "last_four" in filters else "",
        ("没有职称" if series == WITHOUT else f"职称系列为{next(iter(named), series)}") if series else "",
        f"级别为{LEVELS[filters['level']]}" if "level" in filters else "",
        f"{year_of(filters)} 年度{STANDINGS[filters['standing']]}" if "standing" in filters else "",
    ]
    return "，".join(filter(None, said))
