"""What may have been counted before (F-107): shown to the person before submitting and to who signs, never dropped.

Three indexed look-ups in all: credits/past.py, the same number, the same files; for many declarations at once the last
two come from credits/in_common.py. A signal never decides; only what a platform reported under the same number is refused.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse

from credits.hours_field import ZERO
from credits.models import Declaration
from credits.past import Counted, bare
from credits.rules.shapes import Activity, Pack
from orgs.actor import Actor
from orgs.models import Practitioner
from workflow.models import Application, Attachment, State
from workflow.wording import hours as shown
from workflow.wording import masked_name

HOURS_OF_A_DAY = Decimal(8)
SHORTEST_NAME = 4  # characters; shorter names are contained in everything
MOST = 20  # looked up by one rule
FEW = 3  # shown one by one: who needs more has seen enough
LIVE = [State.PENDING, State.APPROVED]


@dataclass(frozen=True)
class Signal:
    """One possible duplicate. `text` is for the person who declares and names nobody else.

    `person` is whose other matter it is (None: one's own), `what` the sentence about it for who signs.
    """

    rule: str
    text: str
    what: str = ""
    application_id: int | None = None
    person: Practitioner | None = None

    def told_to(self, actor: Actor, about: Practitioner) -> dict:
        """{"text", "url"}: name, unit and link only of people whom this actor may see."""
        seen = actor.sees(self.person or about)
        if self.person is None or actor.practitioner is not None:
            text = self.text
        elif seen:
            text = f"{masked_name(self.person.user.name)}（{self.person.employer.name}）{self.what}"
        else:
            text = f"其他单位有人{self.what.split('：')[0]}，姓名和单位您无权查看。"
        own = actor.practitioner is not None and self.person is not None
        linked = seen and self.application_id and not own
        return {"text": text, "url": reverse("workflow:detail", args=[self.application_id]) if linked else ""}


@dataclass(frozen=True)
class Other:
    """A declaration that counts or is under review and has a number or a file in common with the one judged.

    `file` is the name of the shared file; `person` is loaded where who signs may read whose it is, else None.
    """

    application_id: int
    practitioner_id: int
    unit_declaration_id: int | None
    kind_id: int
    rank: int | None
    summary: str
    receipt: str
    file: str = ""
    person: Practitioner | None = None


@dataclass(frozen=True)
class InCommon:
    """What was looked up beforehand for one declaration: others with its files, others with its number."""

    files: list[Other]
    numbers: list[Other]


def told(signals: list[Signal], actor: Actor, about: Practitioner) -> list[dict]:
    """What this actor reads of them, the same words once."""
    lines = [one.told_to(actor, about) for one in signals]
    return [line for place, line in enumerate(lines) if line not in lines[:place]]


def already_imported(declaration: Declaration, past: list[Counted]) -> str:
    """The sentence that refuses what a platform reported under the same number; "" otherwise."""
    for one in past:
        same = one.number_key and one.number_key == declaration.number_key
        if same and one.application_id is None and one.year == declaration.year:
            return (
                f"“{one.provider}”已经把这项学时导入 {one.year} 年度：{one.title}，{shown(one.hours)} 学时。"
                "平台统一导入的学时不用申报。"
            )
    return ""


def signals_of(
    declaration: Declaration,
    hours: Decimal,
    rules: Pack,
    past: list[Counted],
    digests: Iterable[str] = (),
    common: InCommon | None = None,
) -> list[Signal]:
    """All of them, the strongest first. `hours` is what the activity is worth before caps. Three queries at most, none
    with `common`."""
    if common is None:
        common = InCommon(_with_files(declaration, set(digests)), _with_number(declaration))
    by_rule = [
        _same_files(declaration, common.files),
        _own_number(declaration, rules, past),
        _number_of_others(declaration, common.numbers),
        _own_name(declaration, rules, past),
        _same_time(declaration, hours, rules, past),
        _imported(declaration, past),
    ]
    return [one for found in by_rule for one in _few(found)]


def _few(found: list[Signal]) -> list[Signal]:
    if len(found) <= FEW:
        return found
    return [*found[:FEW], Signal(found[0].rule, f"同样的情况另有 {len(found) - FEW} 件，没有逐一列出。")]


def _with_files(declaration: Declaration, digests: set[str]) -> list[Other]:
    if not digests:
        return []
    known = Attachment.objects.filter(sha256__in=digests, application__isnull=False)
    known = known.exclude(application=declaration.pk)
    # Nearly always there is none. PostgreSQL sees that in one index, before it plans the joins that tell whose it is.
    if not known.exists():
        return []
    files = known.filter(application__declaration__isnull=False, application__state__in=LIVE)
    files = files.select_related(
        "application__practitioner__user", "application__practitioner__employer", "application__declaration"
    )
    return [
        _other(one.application.declaration, one.application, one.application.practitioner, one.name)
        for one in files.order_by("pk")[:MOST]
    ]


def _with_number(declaration: Declaration) -> list[Other]:
    if not declaration.number_key:
        return []
    others = (
        Declaration.objects.filter(number_key=declaration.number_key, application__state__in=LIVE)
        .exclude(practitioner=declaration.practitioner_id)
        .select_related("practitioner__user", "practitioner__employer", "application")
        .order_by("pk")[:MOST]
    )
    return [_other(one, one.application, one.practitioner) for one in others]


def _other(one: Declaration, application: Application, person: Practitioner, file: str = "") -> Other:
    return Other(
        one.pk,
        one.practitioner_id,
        one.unit_declaration_id,
        one.kind_id,
        one.rank,
        application.summary,
        application.receipt,
        file,
        person,
    )


def _same_files(declaration: Declaration, others: list[Other]) -> list[Signal]:
    found, seen = [], set()
    for one in others:
        if one.application_id in seen or _same_filing(declaration, one):
            continue
        seen.add(one.application_id)
        if one.practitioner_id == declaration.practitioner_id:
            text = f"文件“{one.file}”已用于本人的另一件申报：{one.summary}，受理号 {one.receipt}。"
            found.append(Signal("file", text, application_id=one.application_id))
        else:
            found.append(
                Signal(
                    "file",
                    "已有他人用完全相同的文件申报。",
                    f"用完全相同的文件申报：{one.summary}",
                    one.application_id,
                    one.person,
                )
            )
    return found


def _own_number(declaration: Declaration, rules: Pack, past: list[Counted]) -> list[Signal]:
    key = declaration.number_key
    return [
        Signal(
            "number",
            f"编号“{declaration.certificate_number}”已用于本人的另一件申报：{one.words}。",
            application_id=one.application_id,
        )
        for one in past
        if key and one.number_key == key and one.application_id and not _again(declaration, rules, one)
    ]


def _number_of_others(declaration: Declaration, others: list[Other]) -> list[Signal]:
    """Co-authors of different ranks are no duplicates; more people than there are authors, or one rank twice, are."""
    others = [one for one in others if not _same_filing(declaration, one)]
    people = 1 + len({one.practitioner_id for one in others})
    crowded = declaration.people is not None and people > declaration.people
    return [
        Signal(
            "number",
            "已有他人用同一编号申报" + ("，而且人数已超过填写的总人数。" if crowded else "。"),
            f"用同一编号申报：{one.summary}",
            one.application_id,
            one.person,
        )
        for one in others
        if crowded or not _are_co_authors(declaration, one)
    ]


def _are_co_authors(one: Declaration, other: Other) -> bool:
    ranked = one.rank is not None and other.rank is not None
    return ranked and one.rank != other.rank and one.kind_id == other.kind_id


def _same_filing(one: Declaration, other: Other) -> bool:
    """A unit filed one training for many of its people: they share files and number."""
    return one.unit_declaration_id is not None and one.unit_declaration_id == other.unit_declaration_id


def _own_name(declaration: Declaration, rules: Pack, past: list[Counted]) -> list[Signal]:
    """The same activity once more: name, kind and days. With a number in common it was said already."""
    return [
        Signal("name", f"本人已申报过同一项活动：{one.words}。", application_id=one.application_id)
        for one in past
        if one.application_id
        and one.kind == declaration.kind.code
        and not (one.number_key and one.number_key == declaration.number_key)
        and bare(one.title) == bare(declaration.title)
        and _overlap(declaration, one)
        and not _again(declaration, rules, one)
    ]


def _again(declaration: Declaration, rules: Pack, one: Counted) -> bool:
    """Whether the rule itself lets the activity count in this year after it counted in another."""
    activity = rules.activities.get(declaration.kind.code)
    if activity is None or one.kind != activity.code or one.year == declaration.year:
        return False
    by_day = any(row.measure in ("days", "half-days") for row in activity.rates)
    return activity.counts in ("yearly", "spread") or by_day


def _overlap(declaration: Declaration, one: Counted) -> bool:
    first = one.started_on or one.ended_on
    return first <= declaration.ended_on and declaration.started_on <= one.ended_on


def _same_time(declaration: Declaration, hours: Decimal, rules: Pack, past: list[Counted]) -> list[Signal]:
    """Trainings on the same days that come to more than eight hours a day together."""
    activity = rules.activities.get(declaration.kind.code)
    if activity is None or not _is_training(activity, declaration.rank is not None):
        return []
    # A platform that says only when a course was finished does not say when it was followed.
    others = [
        one
        for one in past
        if one.started_on
        and _overlap(declaration, one)
        and (one.application_id is None or _is_training(rules.activities.get(one.kind), one.ranked))
    ]
    mine = _a_day(hours, declaration.started_on, declaration.ended_on)
    fullest, at = ZERO, []
    for day in {declaration.started_on, *(max(one.started_on, declaration.started_on) for one in others)}:
        then = [one for one in others if one.started_on <= day <= one.ended_on]
        total = mine + sum((_a_day(one.hours, one.started_on, one.ended_on) for one in then), ZERO)
        if then and total > fullest:
            fullest, at = total, then
    if fullest <= HOURS_OF_A_DAY:
        return []
    named = "、".join(one.words for one in at[:3])
    text = f"起止日期与{named}重叠，合计每天 {shown(fullest)} 学时，超过 {shown(HOURS_OF_A_DAY)} 学时。"
    return [Signal("time", text, application_id=at[0].application_id)]


def _is_training(activity: Activity | None, ranked: bool) -> bool:
    """Something attended on its days, not a work: its rule knows no authors and counts it while it takes place."""
    if activity is None:
        return not ranked
    is_work = activity.member != Activity.member or any(row.is_ranked for row in activity.rates)
    return activity.counts == "during" and not is_work


def _a_day(hours: Decimal, first: datetime.date, last: datetime.date) -> Decimal:
    return hours / ((last - first).days + 1)


def _imported(declaration: Declaration, past: list[Counted]) -> list[Signal]:
    name = bare(declaration.title)
    found = []
    for one in past:
        other = bare(one.title)
        alike = min(len(name), len(other)) >= SHORTEST_NAME and (name in other or other in name)
        if one.application_id is None and alike and _overlap(declaration, one):
            found.append(Signal("import", f"学习平台已导入时间重叠、名称相近的学时：{one.words}。"))
    return found
