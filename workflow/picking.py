"""Choosing people of one's own unit across pages, searches and pasted lists of names, without JavaScript.

The choice travels with the form: what was picked on earlier pages in one hidden field, the boxes of the page at
hand beside it. So nothing is lost by turning the page, and a choice of thousands is still one field.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from workflow import keyset
from workflow.wording import masked_name

PAGE = 50
MOST_NAMES = 2_000


@dataclass
class Picking:
    """The list at hand (`rows`, `newer`, `older`), how many people fit the search, and who is picked.

    `unknown` and `several` are pasted names that nobody has here, or more than one person: nobody is picked for them.
    `pasted` is the text of the box, brought back as long as some of its names are open.
    """

    picked: set[int]
    text: str = ""
    level: str = ""
    place: str = ""
    rows: list = field(default_factory=list)
    newer: str = ""
    older: str = ""
    total: int = 0
    gone: int = 0
    pasted: str = ""
    unknown: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)

    @property
    def as_text(self) -> str:
        return ",".join(str(pk) for pk in sorted(self.picked))

    @property
    def shown(self) -> str:
        return ",".join(str(row["pk"]) for row in self.rows)


def read(data: QueryDict, people: QuerySet, most: int) -> Picking:
    """What this answer of the form comes to. `people` are those who may be picked; others fall out of the choice.

    Buttons: go=<place> turns the page, do=find searches, do=all picks everybody who fits (at most so many), do=none
    nobody, do=names those whose names were pasted.
    """
    wanted = (ids_in(data.get("picked")) - ids_in(data.get("shown"))) | ids_in(
        ",".join(data.getlist("person"))
    )
    picked = set(people.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    found = Picking(picked, gone=len(wanted) - len(picked))
    found.text = data.get("q", "").replace("\0", "").strip()[:50]
    # Named in full: the form that travels along may have a level of its own, that of the activity.
    found.level = data.get("title_level", "").replace("\0", "")[:12]
    fits = _fitting(people, found.text, found.level)
    do = asked_for(data)
    if do == "all":
        picked |= set(fits.order_by("pk").values_list("pk", flat=True)[:most])
    elif do == "none":
        picked.clear()
    elif do == "names":
        _by_name(found, people, data.get("names", ""))
    found.place = "" if do == "find" else data.get("go", data.get("place", ""))[:100]
    page = keyset.page(
        fits.values("pk", "title", name=F("user__name"), id_masked=F("user__id_masked")),
        ("pk",),
        QueryDict(found.place.removeprefix("?")),
        PAGE,
    )
    found.rows, found.newer, found.older, found.total = page.rows, page.newer, page.older, fits.count()
    return found


def asked_for(data: QueryDict) -> str:
    """Which button was pressed. Enter in a box presses the form's first one: a search when the search text is new."""
    if "go" in data:
        return "go"
    do = data.get("do", "")
    if do == "enter":
        return "find" if data.get("q", "").strip() != data.get("searched", "") else "check"
    return do


def shown_rows(picking: Picking) -> list[tuple]:
    """The list's rows ready to print: pk, ticked, masked name, masked number, title."""
    return [
        (
            row["pk"],
            row["pk"] in picking.picked,
            masked_name(row["name"]),
            row["id_masked"],
            row["title"] or "—",
        )
        for row in picking.rows
    ]


def names(picking: Picking, people: QuerySet, most: int = 50) -> list[str]:
    """The first of those picked, masked, to look the choice over."""
    if not picking.picked:
        return []
    found = people.filter(pk__in=picking.picked).order_by("pk").values_list("user__name", "user__id_masked")
    return [f"{masked_name(name)} {number}" for name, number in found[:most]]


def ids_in(text: str | None) -> set[int]:
    return {
        int(part)
        for part in (text or "").split(",")
        if part.isascii() and part.isdecimal() and len(part) < 19
    }


def _fitting(people: QuerySet, text: str, level: str) -> QuerySet:
    if level:
        people = people.filter(title_level="" if level == "none" else level)
    if not text:
        return people
    return people.filter(Q(user__name__contains=text) | Q(user__id_masked__endswith=text.upper()))


def _by_name(found: Picking, people: QuerySet, text: str) -> None:
    """Names as lists have them: one a line, or with commas and spaces between; "张 三" from a sheet is no name here."""
    text = unicodedata.normalize("NFKC", text.replace("\0", ""))
    wanted = list(dict.fromkeys(one for one in re.split(r"[\s,、;]+", text) if one))[:MOST_NAMES]
    here = people.filter(user__name__in=wanted).values_list("user__name", "pk")
    here = list(here)
    times = Counter(name for name, _ in here)
    found.picked |= {pk for name, pk in here if times[name] == 1}
    found.unknown = [one for one in wanted if one not in times]
    found.several = [one for one in wanted if times[one] > 1]
    if found.unknown or found.several:
        found.pasted = "\n".join([*found.unknown, *found.several])
