"""What a person has already: own declarations that count or are under review, and what platforms reported.

One query. Caps and duplicates are both judged from it, so that they never speak of different things.
"""

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import connection

from credits.hours_field import ZERO
from credits.models import Declaration, Source
from credits.rules.facts import Already, Item
from credits.rules.shapes import Activity, Pack
from orgs.models import Practitioner
from workflow.models import Application
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
    pending: bool = False
    ranked: bool = False
    application_id: int | None = None
    receipt: str = ""

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
    """The same for many people, by their ids, in the same query."""
    found = defaultdict(list)
    asked = {"people": practitioners, "years": list(set(years)), "without": without}
    with connection.cursor() as cursor:
        cursor.execute(_PAST, asked)
        for person, application, submitted_at, *facts in cursor.fetchall():
            receipt = Application(pk=application, submitted_at=submitted_at).receipt if application else ""
            found[person].append(Counted(*facts, application_id=application, receipt=receipt))
    return found


# By hand: every form, check page and review asks it, and building it from querysets takes longer than running it.
# The columns from `year` on are the fields of Counted in their order.
_PAST = """
SELECT practitioner_id, application_id, submitted_at, year, subject, kind, title, provider, started_on, ended_on,
       number_key, hours, counted, source, pending, ranked
  FROM (SELECT d.practitioner_id, d.application_id, a.submitted_at, d.year, d.subject, k.code AS kind, d.title,
               d.organiser AS provider, d.started_on, d.ended_on, d.number_key,
               coalesce(d.lowered_to, d.hours) AS hours, coalesce(d.lowered_to, d.hours) AS counted,
               'declaration' AS source, a.state = 'pending' AS pending, d.rank IS NOT NULL AS ranked, d.application_id AS id
          FROM credits_declaration d
          JOIN workflow_application a ON a.id = d.application_id
          JOIN credits_activitykind k ON k.id = d.kind_id
         WHERE d.practitioner_id = ANY(%(people)s) AND a.state IN ('pending', 'approved')
           AND d.application_id IS DISTINCT FROM %(without)s::bigint
           AND NOT EXISTS (SELECT FROM credits_ledgerentry l
                            WHERE l.declaration_id = d.application_id AND l.verb = 'reversed')
         UNION ALL
        SELECT r.practitioner_id, NULL, NULL, r.year, r.subject, '', r.title,
               p.name, r.started_on, r.completed_on, r.number_key,
               r.hours, coalesce(sum(l.hours), 0.0),
               'import', false, false, r.id
          FROM credits_intakerecord r
          JOIN credits_provider p ON p.id = r.provider_id
          LEFT JOIN credits_ledgerentry l ON l.record_id = r.id
         WHERE r.practitioner_id = ANY(%(people)s) AND r.year = ANY(%(years)s) AND r.hours > 0
           AND NOT EXISTS (SELECT FROM credits_intakerecord later WHERE later.corrects_id = r.id)
         GROUP BY r.id, p.id HAVING sum(l.hours) IS NULL OR sum(l.hours) > 0) past
 ORDER BY source, id
"""


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
