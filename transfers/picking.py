"""Choosing people of one's own unit across pages and searches, without JavaScript (人员调出, F-60).

The choice travels with the form: what was picked on earlier pages in one hidden field, the boxes of the page at
hand beside it. So nothing is lost by turning the page, and a choice of hundreds is still one short field.
"""

from dataclasses import dataclass, field

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from workflow import keyset
from workflow.wording import masked_name

MOST = 500  # in one action: five seconds of work, on a busy machine ten


@dataclass
class Picking:
    """The list at hand (`rows`, `newer`, `older`), how many people fit the search, and who is picked."""

    picked: set[int]
    text: str = ""
    place: str = ""
    rows: list = field(default_factory=list)
    newer: str = ""
    older: str = ""
    total: int = 0
    gone: int = 0

    @property
    def as_text(self) -> str:
        return ",".join(str(pk) for pk in sorted(self.picked))

    @property
    def shown(self) -> str:
        return ",".join(str(row["pk"]) for row in self.rows)


def read(data: QueryDict, people: QuerySet) -> Picking:
    """What this answer of the form comes to. `people` are those who may be picked; others fall out of the choice.

    Buttons: go=<place> turns the page, do=find searches, do=all picks everybody who fits, do=none nobody.
    """
    wanted = (_ids(data.get("picked")) - _ids(data.get("shown"))) | _ids(",".join(data.getlist("person")))
    picked = set(people.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    gone = len(wanted) - len(picked)
    text = data.get("q", "").replace("\0", "").strip()[:50]
    fits = _fitting(people, text)
    do = asked_for(data)
    if do == "all":
        picked |= set(fits.order_by("pk").values_list("pk", flat=True)[:MOST])
    elif do == "none":
        picked = set()
    place = "" if do == "find" else data.get("go", data.get("place", ""))[:100]
    page = keyset.page(
        fits.values("pk", "title", name=F("user__name"), id_masked=F("user__id_masked")),
        ("pk",),
        QueryDict(place.removeprefix("?")),
    )
    return Picking(picked, text, place, page.rows, page.newer, page.older, fits.count(), gone)


def asked_for(data: QueryDict) -> str:
    """Which button was pressed. Enter in a box presses the form's first one: a search when the search text is new."""
    if "go" in data:
        return "go"
    if "chosen" in data and "do" not in data:
        return "check"
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


def _fitting(people: QuerySet, text: str) -> QuerySet:
    if not text:
        return people
    return people.filter(Q(user__name__contains=text) | Q(user__id_masked__endswith=text.upper()))


def _ids(text: str | None) -> set[int]:
    return {
        int(part)
        for part in (text or "").split(",")
        if part.isascii() and part.isdecimal() and len(part) < 19
    }


def all_there(asked: QueryDict, people: QuerySet) -> bool:
    """Whether everybody whom an address names may be picked: somebody else's person is as good as nobody."""
    named = asked.getlist("person")
    wanted = _ids(",".join(named))
    return len(wanted) == len(set(named)) and people.filter(pk__in=wanted).count() == len(wanted)


def names(picking: Picking, people: QuerySet, most: int = 50) -> list[str]:
    """The first of those picked, masked, to look the choice over."""
    if not picking.picked:
        return []
    found = people.filter(pk__in=picking.picked).order_by("pk").values_list("user__name", "user__id_masked")
    return [f"{masked_name(name)} {number}" for name, number in found[:most]]
