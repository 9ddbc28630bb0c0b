"""What a certificate says of a year (F-111, I11): measured afresh, never taken from the stored flag.

The rules are those in force now for the person; the snapshot keeps which versions of which packs they came from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from credits.hours_field import as_text
from credits.models import RulePack, Standing
from credits.paper.content import LIMITS, Content
from credits.required import rules_among
from credits.rules.shapes import Pack
from credits.standing import YearHours
from orgs.models import Kind, Organization, Practitioner
from workflow.wording import hours as shown

TOTAL = "合计"
PROVINCE = "000000"  # in a number, where neither the issuer nor anybody above has a division


@dataclass(frozen=True)
class Issuer:
    """Who issues for a place: the nearest bureau above (the platform where there is none), and whose numbers it uses."""

    organization: Organization
    division: str


class Rulebook:
    """The rules of many people in one year, each looked up once: two queries for all of them, one more for issuers."""

    def __init__(self, people: Iterable[Practitioner], year: int):
        self.year = year
        self.people = {one.pk: one for one in people}
        self._packs = list(RulePack.objects.published())
        self._standings = {
            one.practitioner_id: one
            for one in Standing.objects.filter(practitioner__in=self.people, year=year)
        }
        self._rules: dict[tuple, tuple[Pack, list]] = {}
        self._issuers: dict[str, Issuer] = {}

    def year_of(self, person: Practitioner) -> YearHours:
        rules, _ = self._held(person)
        row = self._standings.get(person.pk) or Standing()
        return YearHours(
            person.user.name,
            self.year,
            rules,
            row.hours,
            imported=row.imported,
            relief=row.relief,
            level=person.title_level,
        )

    def issuer_of(self, person: Practitioner) -> Issuer:
        path = person.path
        if path not in self._issuers:
            nearest_first = [self._offices[pk] for pk in reversed(_ids(path)) if pk in self._offices]
            division = next((one.division_id for one in nearest_first if one.division_id), PROVINCE)
            self._issuers[path] = Issuer(nearest_first[0], division)
        return self._issuers[path]

    @cached_property
    def _offices(self) -> dict[int, Organization]:
        above = {part for one in self.people.values() for part in _ids(one.path)}
        found = Organization.objects.filter(pk__in=above, kind__in=[Kind.BUREAU, Kind.OPERATOR])
        return {one.pk: one for one in found}

    def content_of(self, person: Practitioner, number: str, day: date) -> Content:
        """What the certificate will say. Raises ContentRefused when it cannot be said on one sheet."""
        year = self.year_of(person)
        return Content(
            number=number,
            name=person.user.name,
            id_number_masked=person.user.id_masked,
            unit=person.employer.name,
            year=self.year,
            lines=lines_of(year),
            relief=year.relief_sentence,
            basis=basis_of(year.rules),
            issued_on=day,
            issuer=self.issuer_of(person).organization.name,
        )

    def measured(self, person: Practitioner) -> dict:
        """What it was measured by, for Certificate.measured."""
        year, (_, packs) = self.year_of(person), self._held(person)
        return {
            "hours": as_text(year.earned),
            "imported": as_text(year.imported),
            "relief": year.relief,
            "level": year.level,
            "packs": packs,
        }

    def _held(self, person: Practitioner) -> tuple[Pack, list]:
        key = (person.path, person.title_series_id)
        if key not in self._rules:
            # Every published version that this place and year can see: `rules_among` makes the rules of them alone.
            above = set(_ids(person.path))
            packs = [
                [one.code, one.version]
                for one in self._packs
                if (one.bureau_id is None or one.bureau_id in above)
                and one.year_from <= self.year <= (one.year_to or self.year)
            ]
            self._rules[key] = rules_among(self._packs, *key, self.year), sorted(packs)
        return self._rules[key]


def is_complete(year: YearHours) -> bool:
    """Whether there is something to certify: the year asks for something and all of it is met."""
    return year.is_asked and year.done


def lines_of(year: YearHours) -> tuple[tuple[str, str, str], ...]:
    """(label, hours, required) by subject as people read them, the total last."""
    rows = [row for row in year.rows if row.label != TOTAL]
    lines = [(row.label, shown(row.earned), shown(row.required)) for row in rows]
    return (*lines, (TOTAL, shown(year.total_earned), shown(year.total_required)))


def basis_of(rules: Pack) -> str:
    """The rules' sources, the nearest first, as many as the sheet has room for."""
    found = ""
    for one in rules.basis.split("；"):
        longer = f"{found}；{one}" if found else one
        if len(longer) > LIMITS["basis"]:
            break
        found = longer
    return found


def says_the_same(one: Content, other: Content) -> bool:
    """Whether two certificates of one year tell the same of the person: name, ID number, hours, what was asked.

    Where somebody worked, who issued and by which paper may have changed since: that was so on its day.
    """
    return _told(one) == _told(other)


def _told(content: Content) -> tuple:
    return content.name, content.id_number_masked, content.year, content.lines, content.relief


def _ids(path: str) -> list[int]:
    return [int(part) for part in path.strip("/").split("/") if part]
