"""What is known of one activity, and what was credited before it. Filled by the caller, never changed here."""

import datetime
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Facts:
    """One activity of one person, to be counted for `year`. None or "": not known.

    `kind` "" is a platform's own record: hours as stated, only caps apply. `quantity` counts what Activity.measure
    says; `surcharge_quantity` the characters of a paper read (None: none was read).
    """

    kind: str
    year: int
    subject: str = ""
    started_on: datetime.date | None = None
    ended_on: datetime.date | None = None
    stated: Decimal | None = None
    level: str = ""
    variant: str = ""
    rank: int | None = None
    people: int | None = None
    quantity: Decimal | None = None
    surcharge_quantity: Decimal | None = None
    graduated_on: datetime.date | None = None
    spread_index: int | None = None
    filed_in_advance: bool | None = None
    in_plan: bool | None = None
    provider: str = ""
    source: str = "declaration"
    title_level: str = ""

    @property
    def last_day(self) -> datetime.date | None:
        return self.ended_on or self.started_on


@dataclass(frozen=True)
class Item:
    """Hours credited before that share something with this activity.

    `same`: "evidence" (the same certificate or file), "event" (the same activity) or "exclusive" (the same work,
    under an activity with the same Activity.exclusive).
    """

    same: str
    hours: Decimal
    year: int
    title: str = ""


@dataclass(frozen=True)
class Already:
    """What the person has in the year already, by each key that a cap can have; `items` of any year."""

    by_subject: dict[str, Decimal] = field(default_factory=dict)
    by_kind: dict[str, Decimal] = field(default_factory=dict)
    by_group: dict[str, Decimal] = field(default_factory=dict)
    by_source: dict[str, Decimal] = field(default_factory=dict)
    by_provider: dict[str, Decimal] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
