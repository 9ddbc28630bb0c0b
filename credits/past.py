"""What a person has already: own declarations that count or are under review, and what platforms reported.

Two queries. Caps and duplicates are both judged from it, so that they never speak of different things.
"""

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Exists, OuterRef, Sum

from credits.hours_field import ZERO
from credits.models import Declaration, IntakeRecord, LedgerEntry, Source, Verb
from credits.rules.facts import Already, Item
from credits.rules.shapes import Activity, Pack
from orgs.models import Practitioner
from workflow.models import State
from workflow.wording import hours as shown


@dataclass(frozen=True)
class Counted:
    """One earlier activity; `application_id` None: a platform's record. `counted` is what caps have counted of `hours`."""

    year: int
    subject: str
    kind: str
    title: str
    provider: str
    started_on: datetime.date | None
    ended_on: datetime.date
    number_key: str
    hours: Decimal
    counted: Decimal
    source: str = Source.DECLARATION
    application_id: int | None = None
    receipt: str = ""
    pending: bool = False
    ranked: bool = False

    @property
    def words(self) -> str:
        """How a sentence names it: “论文题目”（受理号 20260108-000012，审核中）."""
        if self.application_id is None:
            return f"“{self.title}”（{self.provider}，{shown(self.hours)} 学时）"
        state = "审核中" if self.pending else f"已计入 {self.year} 年度"
        return f"“{self.title}”（受理号 {self.receipt}，{state}）"


def past_of(practitioner: Practitioner, years: Iterable[int], without: int | None = None) -> list[Counted]:
    """Declarations of all years, records of `years` alone (a person may have hundreds); `without` one application."""
    return pasts_of([practitioner.pk], years, without)[practitioner.pk]


def pasts_of(
    practitioners: list[int], years: Iterable[int], without: int | None = None
) -> dict[int, list[Counted]]:
    """The same for many people, by their ids, in the same two queries."""
    reversed_ = LedgerEntry.objects.filter(declaration=OuterRef("pk"), verb=Verb.REVERSED)
    declarations = (
        Declaration.objects.filter(
            ~Exists(reversed_),
            practitioner__in=practitioners,
            application__state__in=[State.PENDING, State.APPROVED],
        )
        .exclude(pk=without)
        .select_related("application", "kind")
        .order_by("pk")
    )
    records = (
        IntakeRecord.objects.filter(
            practitioner__in=practitioners, year__in=set(years), corrected_by=None, hours__gt=0
        )
        .annotate(counted=Sum("ledger__hours"))
        .select_related("provider")
        .order_by("pk")
    )
    found = defaultdict(list)
    for one in declarations:
        found[one.practitioner_id].append(_declared(one))
    for one in records:
        if one.counted is None or one.counted > 0:
            found[one.practitioner_id].append(_reported(one))
    return found


def _declared(one: Declaration) -> Counted:
    return Counted(
        year=one.year,
        subject=one.subject,
        kind=one.kind.code,
        title=one.title,
        provider=one.organiser,
        started_on=one.started_on,
        ended_on=one.ended_on,
        number_key=one.number_key,
        hours=one.recognised,
        counted=one.recognised,
        application_id=one.pk,
        receipt=one.application.receipt,
        pending=one.application.state == State.PENDING,
        ranked=one.rank is not None,
    )


def _reported(one: IntakeRecord) -> Counted:
    return Counted(
        year=one.year,
        subject=one.subject,
        kind="",
        title=one.title,
        provider=one.provider.name,
        started_on=one.started_on,
        ended_on=one.completed_on,
        number_key=one.number_key,
        hours=one.hours,
        counted=one.counted or ZERO,
        source=Source.IMPORT,
    )


def already(past: list[Counted], rules: Pack, declaration: Declaration) -> Already:
    """What the caps of the declaration's year have counted, and what the same work brought before."""
    return replace(counted_in(past, rules, declaration.year), items=tuple(_items(past, rules, declaration)))


def counted_in(past: list[Counted], rules: Pack, year: int) -> Already:
    """What the caps of a year have counted.

    Hours under review count like granted ones: two declarations under review cannot both use the last room. A
    rejection or withdrawal frees the room again for what is declared after it. A signature therefore applies no
    cap again; what platforms report in between is capped where it is entered.
    """
    by = {name: defaultdict(lambda: ZERO) for name in ("subject", "kind", "group", "source", "provider")}
    for one in past:
        if one.year != year:
            continue
        activity = rules.activities.get(one.kind)
        keys = {
            "subject": one.subject,
            "kind": one.kind,
            "group": activity.group if activity else "",
            "source": one.source,
            "provider": one.provider.strip(),
        }
        for name, key in keys.items():
            if key:
                by[name][key] += one.counted
    return Already(**{f"by_{name}": dict(sums) for name, sums in by.items()})


def _items(past: list[Counted], rules: Pack, declaration: Declaration) -> Iterable[Item]:
    activity = rules.activities.get(declaration.kind.code)
    if activity is None:
        return
    for one in past:
        same = _same_as(one, activity, rules.activities.get(one.kind))
        if same and is_same_work(one, declaration):
            yield Item(same, one.counted, one.year, one.title)


def _same_as(one: Counted, activity: Activity, other: Activity | None) -> str:
    """What a repetition of this work means by the rules; "" where they say nothing of it, then it is a signal."""
    if one.kind == activity.code and activity.counts in ("yearly", "within", "spread"):
        return "event"
    exclusive = other is not None and activity.exclusive and other.exclusive == activity.exclusive
    return "exclusive" if exclusive else ""


def is_same_work(one: Counted, declaration: Declaration) -> bool:
    """By its number where both have one, else by its name."""
    if one.number_key and declaration.number_key:
        return one.number_key == declaration.number_key
    return bare(one.title) == bare(declaration.title)


def bare(title: str) -> str:
    """A name without spaces, punctuation, width and case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", title).casefold())
