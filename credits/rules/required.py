"""What a year asks for and how far a person is: one line for each minimum, and the fewest hours that complete it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from credits.rules.amounts import TENTH, ZERO
from credits.rules.shapes import Minimum, Pack, Relief
from credits.rules.words import SOURCES, source_of

MONTHS = Decimal(12)
BySource = Mapping[
    str, Mapping[str, Decimal]
]  # source → subject → hours, e.g. {"import": {"professional": 20}}
Reliefs = Iterable[
    tuple[Relief, Decimal | int | None]
]  # with months, or the share taken off (None: the pack's)


@dataclass(frozen=True)
class Line:
    """One minimum of the year: `subjects` () = all together, `source` "" = from anywhere."""

    label: str
    subjects: tuple[str, ...]
    earned: Decimal
    required: Decimal
    source: str = ""

    @property
    def missing(self) -> Decimal:
        return max(self.required - self.earned, ZERO)

    @property
    def done(self) -> bool:
        return not self.missing


def measure(
    pack: Pack | tuple[Minimum, ...],
    earned: Mapping[str, Decimal],
    by_source: BySource | None = None,
    relief: Reliefs = (),
    level: str = "",
) -> list[Line]:
    """The lines of a year for who holds a title of `level`. Relief reduces every minimum."""
    minimums, names = (pack.minimums, pack.subjects) if isinstance(pack, Pack) else (pack, {})
    relief = list(relief)
    return [
        Line(
            label=label_of(one, names),
            subjects=one.subjects,
            earned=_counted(one, earned, by_source or {}),
            required=relieved(one.hours, relief),
            source=one.source,
        )
        for one in holding(minimums, level)
    ]


def missing(lines: Iterable[Line]) -> Decimal:
    """The fewest hours that complete the year, all conditions at once.

    One hour may close several gaps (professional, from the platform, and of the total), so only gaps that share no
    hour add up; the largest such sum is the answer. Exact for the sets that pack.read admits.
    """
    return _most([line for line in lines if line.missing], [])


def _most(lines: list[Line], chosen: list[Line]) -> Decimal:
    if not lines:
        return sum((line.missing for line in chosen), ZERO)
    first, rest = lines[0], lines[1:]
    without = _most(rest, chosen)
    if any(_share(first, other) for other in chosen):
        return without
    return max(without, _most(rest, [*chosen, first]))


def _share(one: Line, other: Line) -> bool:
    """Whether an hour exists that counts for both."""
    subjects = not one.subjects or not other.subjects or set(one.subjects) & set(other.subjects)
    sources = not one.source or not other.source or one.source == other.source
    return bool(subjects and sources)


def holding(minimums: Iterable[Minimum], level: str) -> list[Minimum]:
    """The minimums for a title level. Who has no level that a rule names is measured by its strictest one."""
    minimums = list(minimums)
    return [
        one for one in minimums if not one.levels or level in one.levels or _stands_in(one, minimums, level)
    ]


def _stands_in(one: Minimum, minimums: list[Minimum], level: str) -> bool:
    alike = [
        other
        for other in minimums
        if other.levels and set(other.subjects) == set(one.subjects) and other.source == one.source
    ]
    named = any(level in other.levels for other in alike)
    return not named and one == max(alike, key=lambda other: other.hours)


def relieved(hours: Decimal, relief: Reliefs) -> Decimal:
    """What remains of a minimum, rounded down to one decimal: in the person's favour."""
    months, left = ZERO, hours
    for one, amount in relief:
        if one.effect == "exempt":
            return ZERO
        if one.effect == "months":
            months += Decimal(amount or 0)
        else:
            left = left * (1 - min(max(Decimal(one.value if amount is None else amount), ZERO), Decimal(1)))
    left = left * (MONTHS - min(max(months, ZERO), MONTHS)) / MONTHS
    return left.quantize(TENTH, rounding=ROUND_FLOOR)


def label_of(minimum: Minimum, names: Mapping[str, str]) -> str:
    label = "、".join(names.get(one, one) for one in minimum.subjects) or "合计"
    return f"{label}（{SOURCES.get(minimum.source, minimum.source)}）" if minimum.source else label


def _counted(minimum: Minimum, earned: Mapping[str, Decimal], by_source: BySource) -> Decimal:
    pots = (
        [hours for source, hours in by_source.items() if source_of(source) == minimum.source]
        if minimum.source
        else [earned]
    )
    wanted = set(minimum.subjects)
    return sum((hours for pot in pots for one, hours in pot.items() if not wanted or one in wanted), ZERO)
