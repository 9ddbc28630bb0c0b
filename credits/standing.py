"""Where a person's year stands against what it asks for, in numbers and in one sentence."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from django.db.models import Sum
from django.db.models.functions import Coalesce

from credits.hours_field import ZERO, added
from credits.models import Declaration, RulePack, Standing, Subject
from credits.required import lines_of, reliefs_in, rules_of
from credits.rules.required import missing as fewest
from credits.rules.shapes import Pack
from credits.years import current_year
from orgs.models import Practitioner
from workflow.wording import hours as shown


@dataclass(frozen=True)
class Row:
    """One line of the table: hours of one subject, of several together, or of all."""

    label: str
    earned: Decimal
    pending: Decimal
    required: Decimal
    missing: Decimal
    done: bool


@dataclass(frozen=True)
class YearHours:
    """One person's year, as components/hours.html shows it. Hours are Decimals by subject.

    `rules` are those in force for the person and year; `level` is their title level; `relief` the approved reductions.
    """

    name: str
    year: int
    rules: Pack
    earned: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)
    imported: dict = field(default_factory=dict)
    relief: list = field(default_factory=list)
    level: str = ""

    @property
    def total_earned(self) -> Decimal:
        return sum(self.earned.values(), ZERO)

    @property
    def total_pending(self) -> Decimal:
        return sum(self.pending.values(), ZERO)

    @property
    def total_required(self) -> Decimal:
        """What all subjects together must reach: the minimum over all, or the sum of the subjects' minimums."""
        lines = self._lines_now
        over_all = [line.required for line in lines if not line.subjects and not line.source]
        return over_all[0] if over_all else sum((line.required for line in lines), ZERO)

    @property
    def is_asked(self) -> bool:
        """Whether anything is required of this year."""
        return bool(self.rules.minimums)

    @property
    def rows(self) -> list[Row]:
        """One row for each minimum; the sum of all as well only when the subjects' minimums do not make it up."""
        lines = self._lines_now
        single = [line for line in lines if line.subjects]
        over_all = [line for line in lines if not line.subjects]
        if len(over_all) == 1 and over_all[0].required == sum((one.required for one in single), ZERO):
            lines = single
        return [
            Row(line.label, line.earned, self._of(self.pending, line), line.required, line.missing, line.done)
            for line in lines
        ] or [
            Row(label, self.earned.get(code, ZERO), self.pending.get(code, ZERO), ZERO, ZERO, True)
            for code, label in self.subjects.items()
        ]

    @property
    def subjects(self) -> dict[str, str]:
        """The subjects of the year, code → 中文名: those of the rules, and any other that has hours."""
        named = dict(self.rules.subjects) or {one.value: one.label for one in list(Subject)[:2]}
        return {**named, **{code: named_subject(code) for code in self.earned if code not in named}}

    def hours_of(self, subjects: Iterable[str]) -> list[tuple[str, Decimal]]:
        """The name and hours of each of these subjects."""
        return [(named_subject(code, self.rules), self.earned.get(code, ZERO)) for code in subjects]

    @property
    def missing(self) -> Decimal:
        """The fewest hours that complete the year: all conditions of F-95 at once."""
        return fewest(self._lines_now)

    @property
    def missing_after_pending(self) -> Decimal:
        """The same, once everything under review was approved."""
        return fewest(self._lines(added(self.earned, self.pending)))

    @property
    def done(self) -> bool:
        return not self.missing

    @property
    def public_fraction(self) -> float:
        return self._fraction(Subject.PUBLIC)

    @property
    def professional_fraction(self) -> float:
        return self._fraction(Subject.PROFESSIONAL)

    @property
    def relief_sentence(self) -> str:
        """What was reduced, for the page and the certificate; "" without a reduction."""
        names = [
            f"{relief.name}{f' {months} 个月' if months else ''}"
            for relief, months in reliefs_in(self.rules, self.relief)
        ]
        if not names:
            return ""
        left = (
            f"本年度要求减为 {shown(self.total_required)} 学时" if self.total_required else "本年度不作要求"
        )
        return f"{'、'.join(names)}，{left}"

    @property
    def headline(self) -> str:
        """The sentence of the home page: "王晓妮，还差 22 学时完成 2026 年度继续教育"."""
        if not self.is_asked:
            return f"{self.name}，{self.year} 年度已登记 {shown(self.total_earned)} 学时"
        if self.done:
            return f"{self.name}，您已完成 {self.year} 年度继续教育"
        return f"{self.name}，还差 {shown(self.missing)} 学时完成 {self.year} 年度继续教育"

    @property
    def sentence(self) -> str:
        """The whole state in words, for who does not see the ring."""
        parts = [f"{row.label} {shown(row.earned)}，要求 {shown(row.required)}" for row in self.rows]
        total = f"{self.year} 年度共 {shown(self.total_earned)} 学时，要求 {shown(self.total_required)}"
        return "；".join([total, *parts]) + "。"

    @property
    def pending_sentence(self) -> str:
        """What the hours under review will change; "" when there are none."""
        if not self.total_pending:
            return ""
        if self.done:
            return f"还有 {shown(self.total_pending)} 学时在审核中。"
        left = self.missing_after_pending
        after = f"还差 {shown(left)} 学时" if left else "本年度即可完成"
        return f"审核中的 {shown(self.total_pending)} 学时通过后，{after}。"

    def with_hours(self, subject: str, hours: Decimal) -> "YearHours":
        """The same year with so many hours more."""
        return replace(self, earned=added(self.earned, {subject: hours}))

    @cached_property
    def _lines_now(self) -> list:
        return self._lines(self.earned)

    def _lines(self, earned: dict) -> list:
        return lines_of(self.rules, earned, self.imported, self.relief, self.level)

    @staticmethod
    def _of(hours: dict, line) -> Decimal:
        return sum(
            (value for code, value in hours.items() if not line.subjects or code in line.subjects), ZERO
        )

    def _fraction(self, subject: str) -> float:
        line = next((one for one in self._lines_now if one.subjects == (subject,)), None)
        return min(1.0, float(line.earned / line.required)) if line and line.required else 0.0


def named_subject(code: str, rules: Pack | None = None) -> str:
    """中文名 of a subject: the rules' own, else the national frame's, else the code."""
    if rules and code in rules.subjects:
        return rules.subjects[code]
    return Subject(code).label if code in Subject.values else code


def standing_of(
    practitioner: Practitioner, year: int | None = None, packs: Iterable[RulePack] | None = None
) -> YearHours:
    """One year of a person, the current one by default. Three queries, two with `packs` (required.packs_at);
    `practitioner.user` should be loaded."""
    year = year or current_year()
    return standings_of(practitioner, [year], packs)[year]


def standings_of(
    practitioner: Practitioner, years: Iterable[int], packs: Iterable[RulePack] | None = None
) -> dict[int, YearHours]:
    """Several years of a person, newest first, in the same three queries; years with hours of their own are added."""
    rows = {row.year: row for row in Standing.objects.filter(practitioner=practitioner)}
    pending = defaultdict(dict)
    waiting = Declaration.objects.pending().filter(practitioner=practitioner)
    by_subject = waiting.values("year", "subject").annotate(sum=Sum(Coalesce("lowered_to", "hours")))
    for one in by_subject.order_by():
        pending[one["year"]][one["subject"]] = one["sum"]
    years = sorted({*years, *rows, *pending}, reverse=True)
    rules = rules_of(practitioner, years, packs)
    nothing = Standing()
    return {
        year: YearHours(
            practitioner.user.name,
            year,
            rules[year],
            rows.get(year, nothing).hours,
            dict(pending[year]),
            rows.get(year, nothing).imported,
            rows.get(year, nothing).relief,
            practitioner.title_level,
        )
        for year in years
    }
