"""Which yearly requirement holds for a person (F-95, F-96): dated data of the nearest bureau that has any."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q

from credits.models import Requirement, Subject
from orgs.models import Practitioner


@dataclass(frozen=True)
class Required:
    """What one year asks for: `total` hours in all and at least so many of each subject."""

    total: Decimal = Decimal(0)
    by_subject: dict = field(default_factory=dict)
    basis: str = ""

    def of(self, subject: str) -> Decimal:
        return self.by_subject.get(subject, Decimal(0))

    @property
    def named(self) -> list[tuple[str, Decimal]]:
        """The minimum of each subject under its name."""
        return [(Subject(subject).label, hours) for subject, hours in self.by_subject.items()]


def required_of(practitioner: Practitioner, years: Iterable[int]) -> dict[int, Required]:
    """The requirement of each year for this person, from their employer's place in the tree. One query.

    A year before the first dated rule asks for nothing.
    """
    above = _above(practitioner.path)
    rows = list(Requirement.objects.filter(Q(bureau__isnull=True) | Q(bureau__in=above)))
    return {year: _required(rows, above, year) for year in years}


def required_at(path: str, rows: list[Requirement], year: int) -> Required:
    """The same for a place in the tree, out of requirements that the caller has loaded: no query."""
    above = _above(path)
    return _required([row for row in rows if row.bureau_id is None or row.bureau_id in above], above, year)


def _above(path: str) -> list[int]:
    return [int(part) for part in path.strip("/").split("/") if part]


def _required(rows: list[Requirement], above: list[int], year: int) -> Required:
    begun = [row for row in rows if row.year_from <= year]
    if not begun:
        return Required()
    # Nearest bureau first, the whole province last; of one bureau the latest rules.
    nearest = max(begun, key=lambda row: (_depth(row, above), row.year_from))
    valid = [row for row in begun if (row.bureau_id, row.year_from) == (nearest.bureau_id, nearest.year_from)]
    subjects = {row.subject: row.hours for row in valid if row.subject}
    total = next((row.hours for row in valid if not row.subject), sum(subjects.values(), Decimal(0)))
    return Required(total, {one: subjects[one] for one in Subject if one in subjects}, nearest.basis)


def _depth(row: Requirement, above: list[int]) -> int:
    return above.index(row.bureau_id) if row.bureau_id else -1
