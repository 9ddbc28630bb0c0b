"""What a policy pack is made of, once read. All immutable; hours are Decimals with one decimal."""

from dataclasses import dataclass, field
from decimal import Decimal

from credits.rules.words import LEVELS, MEASURES


@dataclass(frozen=True)
class Minimum:
    """A year asks for at least `hours` of these subjects together; () = of all. What is empty restricts nothing."""

    subjects: tuple[str, ...]
    hours: Decimal
    source: str = ""  # "platform", "declaration": only hours that came this way count
    levels: tuple[str, ...] = ()  # title levels this holds for
    basis: str = ""


@dataclass(frozen=True)
class Cap:
    """At most `hours` a year of one kind, group, source, subject or provider; `name` is its code ("" = each)."""

    hours: Decimal
    per: str
    name: str


@dataclass(frozen=True)
class Rate:
    """One row of a conversion table. One way of counting is filled: hours, ranks, first (with others or less), fills."""

    level: str = ""
    variant: str = ""
    hours: Decimal | None = None
    ranks: tuple[Decimal, ...] = ()
    alone: Decimal | None = None
    first: Decimal | None = None
    others: Decimal | None = None
    less: Decimal | None = None
    last: int | None = None
    fills: bool = False
    per: str = ""
    only_full: bool = False
    least: Decimal | None = None
    measure: str = ""  # what the quantity counts, of `per` or of `least`

    @property
    def is_ranked(self) -> bool:
        return bool(self.ranks) or self.first is not None or self.last is not None


@dataclass(frozen=True)
class Surcharge:
    """So many hours more for a paper read at the conference, when its length is within above < length ≤ up_to."""

    hours: Decimal
    level: str = ""
    above: Decimal | None = None
    up_to: Decimal | None = None


@dataclass(frozen=True)
class Activity:
    """One 申报形式 and its rule. `conversion` None: nothing published, hours as on the proof, reviewers decide."""

    code: str
    name: str
    subjects: tuple[str, ...]
    conversion: tuple[Rate, ...] | None
    evidence: tuple[str, ...]
    max_hours: Decimal
    asks: tuple[str, ...] = ()
    line: str = ""
    caps: tuple[Cap, ...] = ()
    preconditions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    group: str = ""
    exclusive: str = ""
    counts: str = "during"
    years: int | None = None
    variants: dict[str, str] = field(default_factory=dict)
    member: str = "完成人"
    leader: str = ""
    surcharges: tuple[Surcharge, ...] = ()
    surcharge_name: str = ""
    basis: str = ""
    note: str = ""

    @property
    def rates(self) -> tuple[Rate, ...]:
        return self.conversion or ()

    @property
    def levels(self) -> dict[str, str]:
        """The levels its rule distinguishes, code → label, in the usual order."""
        named = {row.level for row in (*self.rates, *self.surcharges)}
        return {code: label for code, label in LEVELS.items() if code in named}

    def measure(self, level: str = "", variant: str = "") -> str:
        """What the quantity counts, to stand behind the field: 天, 字, 门. "" where the rule counts nothing."""
        rows = [row for row in self.rates if row.level in ("", level) and row.variant in ("", variant)]
        return next((MEASURES[row.measure] for row in rows or self.rates if row.measure), "")


@dataclass(frozen=True)
class Relief:
    """减免: "exempt" asks for nothing; "months" reduces by months of twelve; "fraction" takes the share `value` off."""

    code: str
    name: str
    effect: str
    value: Decimal | None
    evidence: tuple[str, ...]
    line: str
    basis: str = ""


@dataclass(frozen=True)
class Transition:
    """老人老办法: up to `until`, who came under the rules before `newcomers_from` keeps the pack `keeps`."""

    newcomers_from: int
    until: int
    keeps: str


@dataclass(frozen=True)
class Pack:
    """One jurisdiction's or sector's rules for the years year_from … year_to; `subjects`: code → 中文名, in order."""

    code: str
    name: str
    basis: str
    year_from: int
    year_to: int | None = None
    empty_conversions: bool = False
    note: str = ""
    subjects: dict[str, str] = field(default_factory=dict)
    minimums: tuple[Minimum, ...] = ()
    activities: dict[str, Activity] = field(default_factory=dict)
    reliefs: dict[str, Relief] = field(default_factory=dict)
    transition: Transition | None = None
    origin: str = ""
    mark: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()
    remove: tuple[str, ...] = ()
    series: tuple[str, ...] = ()  # codes of title series: holds for these people alone (sector rules)
    inherits: bool = True
