"""Where a person's year stands against what it asks for, in numbers and in one sentence."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from credits.models import Declaration, Standing, Subject
from credits.required import Required, required_of
from credits.years import current_year
from orgs.models import Practitioner
from workflow.wording import hours as shown

ZERO = Decimal(0)


@dataclass(frozen=True)
class Row:
    """One line of the table: hours of one subject, or of all together."""

    label: str
    earned: Decimal
    pending: Decimal
    required: Decimal

    @property
    def missing(self) -> Decimal:
        return max(self.required - self.earned, ZERO)

    @property
    def done(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class YearHours:
    """One person's year, as components/hours.html shows it. Hours are Decimals by subject."""

    name: str
    year: int
    earned: dict
    pending: dict
    required: Required

    @property
    def total_earned(self) -> Decimal:
        return sum(self.earned.values(), ZERO)

    @property
    def total_pending(self) -> Decimal:
        return sum(self.pending.values(), ZERO)

    @property
    def total_required(self) -> Decimal:
        return self.required.total

    @property
    def subjects(self) -> list[Row]:
        """One row for each subject."""
        return [
            Row(one.label, self.earned.get(one, ZERO), self.pending.get(one, ZERO), self.required.of(one))
            for one in Subject
        ]

    @property
    def rows(self) -> list[Row]:
        """Each subject; the sum as well when the subjects' minimums do not make it up."""
        rows = self.subjects
        if sum((row.required for row in rows), ZERO) != self.total_required:
            rows.append(Row("合计", self.total_earned, self.total_pending, self.total_required))
        return rows

    @property
    def missing(self) -> Decimal:
        """The fewest hours that complete the year: all conditions of F-95 at once."""
        return self._missing({})

    @property
    def missing_after_pending(self) -> Decimal:
        """The same, once everything under review was approved."""
        return self._missing(self.pending)

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
    def headline(self) -> str:
        """The sentence of the home page: "王晓妮，还差 22 学时完成 2026 年度继续教育"."""
        if not self.total_required:
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
        earned = {**self.earned, subject: self.earned.get(subject, ZERO) + hours}
        return YearHours(self.name, self.year, earned, self.pending, self.required)

    def _missing(self, more: dict) -> Decimal:
        counted = {one: self.earned.get(one, ZERO) + more.get(one, ZERO) for one in Subject}
        by_subject = sum((max(self.required.of(one) - counted[one], ZERO) for one in Subject), ZERO)
        return max(by_subject, self.total_required - sum(counted.values(), ZERO), ZERO)

    def _fraction(self, subject: str) -> float:
        required = self.required.of(subject)
        return min(1.0, float(self.earned.get(subject, ZERO) / required)) if required else 0.0


def standing_of(practitioner: Practitioner, year: int | None = None) -> YearHours:
    """One year of a person, the current one by default. Three queries; `practitioner.user` should be loaded."""
    year = year or current_year()
    return standings_of(practitioner, [year])[year]


def standings_of(practitioner: Practitioner, years: Iterable[int]) -> dict[int, YearHours]:
    """Several years of a person, newest first, in the same three queries; years with hours of their own are added."""
    rows = {row.year: row for row in Standing.objects.filter(practitioner=practitioner)}
    pending = defaultdict(dict)
    waiting = Declaration.objects.pending().filter(practitioner=practitioner)
    for year, subject, hours in waiting.values_list("year", "subject").annotate(Sum("hours")).order_by():
        pending[year][subject] = hours
    years = sorted({*years, *rows, *pending}, reverse=True)
    required = required_of(practitioner, years)
    return {
        year: YearHours(
            practitioner.user.name,
            year,
            rows[year].earned if year in rows else {},
            dict(pending[year]),
            required[year],
        )
        for year in years
    }
