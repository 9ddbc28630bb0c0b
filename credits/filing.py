"""职称申报: the years that count for a person's next title, what each of them has and what it still lacks."""

from dataclasses import dataclass

from credits.certificates import OPEN
from credits.counting_years import counting_years
from credits.models import Certificate, CertificateState
from credits.snapshot import is_complete
from credits.standing import YearHours, standings_of
from credits.verifying import TAGS
from orgs.models import Practitioner
from workflow.wording import hours as shown


@dataclass(frozen=True)
class YearRow:
    """One year: its hours against what it asks for, and its newest certificate with state, if there is one."""

    standing: YearHours
    certificate: Certificate | None

    @property
    def year(self) -> int:
        return self.standing.year

    @property
    def valid(self) -> bool:
        return self.certificate is not None and self.certificate.state == CertificateState.VALID

    @property
    def complete(self) -> bool:
        return is_complete(self.standing)

    @property
    def may_issue(self) -> bool:
        """Whether the person can have one now: never had, or its hours changed since."""
        return self.complete and (
            self.certificate is None or self.certificate.state == CertificateState.CHANGED
        )

    @property
    def tag(self) -> tuple[str, str]:
        """How the year stands, as a status tag."""
        if self.certificate is not None and not (
            self.certificate.state == CertificateState.CHANGED and not self.complete
        ):
            return TAGS[self.certificate.state]
        if self.complete:
            return ("next", "可签发")
        if not self.standing.is_asked:
            return ("draft", "没有要求")
        return ("wait", f"还差 {shown(self.standing.missing)} 学时")

    @property
    def missing(self) -> str:
        """What is missing, by subject; "" where nothing is."""
        if self.complete or not self.standing.is_asked:
            return ""
        rows = [f"{row.label}差 {shown(row.missing)}" for row in self.standing.rows if row.missing]
        total = shown(self.standing.missing)
        return "、".join(rows) if len(rows) == 1 else f"{'、'.join(rows)}，共差 {total}"

    @property
    def state(self) -> str:
        """The same in words, for the cover of the bundle."""
        if self.certificate is not None and self.certificate.state in (*OPEN, CertificateState.REVOKED):
            label = TAGS[self.certificate.state][1]
            return label if not self.missing else f"{label}（{self.missing} 学时）"
        if self.complete:
            return "已完成，未签发证书"
        return f"{self.missing} 学时" if self.missing else "本年度没有学时要求"


def year_rows(person: Practitioner, years: list[int]) -> list[YearRow]:
    """These years, newest first, each with its newest certificate. Four queries."""
    standings = standings_of(person, years)
    newest = {
        one.year: one
        for one in Certificate.objects.filter(practitioner=person, year__in=years).with_state().order_by("pk")
    }
    return [YearRow(standings[year], newest.get(year)) for year in years]


def filing_rows(person: Practitioner, filing_year: int) -> list[YearRow]:
    """The years that count when this person files in `filing_year`."""
    return year_rows(person, counting_years(person.title_awarded_on, filing_year))
